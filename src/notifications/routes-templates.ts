/** HTTP routes of templates. */
import { z } from 'zod'
import { ifMatch, sendTagged } from '../platform/http/etag.ts'
import { pageQuery, readPage } from '../platform/http/page.ts'
import type { HttpServer } from '../platform/http/server.ts'
import { idSchema, jsonSchema, nameSchema, noContent, toTime } from '../platform/http/views.ts'
import { TEMPLATE_CHARACTERS } from './liquid.ts'
import type { NotificationService } from './service.ts'
import type { Template } from './types.ts'

const view = (template: Template) => ({
  id: template.id,
  name: template.name,
  subject: template.subject,
  body: template.body,
  createdAt: toTime(template.createdAtMs),
  updatedAt: toTime(template.updatedAtMs),
})

const stateOf = ({ id, name, subject, body, updatedAtMs }: Template) => ({
  fields: [id, name, subject, body, updatedAtMs],
})

const subject = z.string().max(1000).describe('Liquid. Of an email; the title of an inbox item. Empty: a plain one.')
const body = z
  .string()
  .max(TEMPLATE_CHARACTERS)
  .describe('Liquid over type, severity, title, tells, timestamp, eventId, projectId, runId, taskId, data and items.')
const previewBody = z.strictObject({
  subject: subject.default(''),
  body,
  type: z.string().min(1).max(100).default('run.failed').describe('The event type to try it on.'),
  data: z.record(z.string(), jsonSchema).optional().describe('The data of the event; an example if left out.'),
})
const params = z.object({ id: idSchema })
const READ = { permission: 'notifications:read' } as const
const WRITE = { permission: 'notifications:write' } as const

export const addTemplateRoutes = (server: HttpServer, { templates }: NotificationService): void => {
  const tags = ['templates']
  server.get(
    '/v1/templates',
    {
      config: READ,
      schema: { tags, summary: 'List templates, newest first', querystring: z.strictObject(pageQuery) },
    },
    async ({ principal, query }) =>
      readPage(query, ({ after, limit }) => templates.list(principal, after, limit), view),
  )
  server.post(
    '/v1/templates',
    {
      config: WRITE,
      schema: {
        tags,
        summary: 'Make a template of messages',
        body: z.strictObject({ name: nameSchema, subject: subject.default(''), body }),
      },
    },
    async (request, reply) => reply.code(201).send(view(await templates.create(request.principal, request.body))),
  )
  server.post(
    '/v1/templates/preview',
    { config: WRITE, schema: { tags, summary: 'Render a template without keeping it', body: previewBody } },
    async (request) => {
      const { type, data, ...text } = request.body
      return templates.preview(text, { type, data })
    },
  )
  server.get(
    '/v1/templates/:id',
    { config: { ...READ, conditional: true }, schema: { tags, summary: 'A template', params } },
    async (request, reply) => {
      const template = await templates.find(request.principal, request.params.id)
      return sendTagged(request, reply, stateOf(template), view(template))
    },
  )
  server.put(
    '/v1/templates/:id',
    {
      config: { ...WRITE, conditional: true },
      schema: {
        tags,
        summary: 'Change a template',
        params,
        body: z.strictObject({ name: nameSchema.optional(), subject: subject.optional(), body: body.optional() }),
      },
    },
    async (request, reply) => {
      const { principal, params: path, body: change } = request
      const template = await templates.update(principal, path.id, change, ifMatch(request, stateOf))
      return sendTagged(request, reply, stateOf(template), view(template))
    },
  )
  server.delete(
    '/v1/templates/:id',
    {
      config: { ...WRITE, conditional: true },
      schema: {
        tags,
        summary: 'Delete a template; its channels tell plainly again',
        params,
        response: { 204: noContent },
      },
    },
    async (request, reply) => {
      await templates.remove(request.principal, request.params.id, ifMatch(request, stateOf))
      return reply.code(204).send()
    },
  )
}
