/** HTTP routes of secrets: their values go in and never come out. */
import { z } from 'zod'
import { ifMatch, sendTagged } from '../platform/http/etag.ts'
import { pageQuery, readPage } from '../platform/http/page.ts'
import { authErrors, type Principal } from '../platform/http/principal.ts'
import type { Routes } from '../platform/http/server.ts'
import { idSchema, nameSchema, noContent, toTime } from '../platform/http/views.ts'
import type { Rotation } from './rotation.ts'
import type { SecretPlace, SecretService } from './service.ts'
import type { Secret } from './types.ts'

const secretView = ({ name, projectId, hosts, version, createdAtMs, updatedAtMs }: Secret) => ({
  name,
  projectId,
  hosts,
  version,
  createdAt: toTime(createdAtMs),
  updatedAt: toTime(updatedAtMs),
})

/** Nothing of the value, sealed or not: a tag is no place to try values against. */
const stateOf = (secret: Secret | undefined) => ({
  fields: secret ? [secret.id, secret.hosts, secret.version, secret.updatedAtMs] : [],
})

const newValue = z.strictObject({
  // Checked by the service: what the edge refuses it shows, and this must not be shown.
  value: z.unknown().describe('A text; never shown again.'),
  hosts: z
    .array(z.string().max(260))
    .max(50)
    .optional()
    .describe('Where it may be sent; as before if left out; none: anywhere.'),
})
const params = z.object({ name: nameSchema })
const query = z.strictObject({ projectId: idSchema.optional().describe('The secret of this project.') })

/** A key that is bound to a project reaches the secrets of that project alone. Throws `forbidden`. */
const placeOf = ({ tenantId, projectId: own }: Principal, name: string, wanted: string | undefined): SecretPlace => {
  const projectId = wanted ?? own
  if (own === null || projectId === own) return { tenantId, projectId, name }
  throw authErrors.forbidden(`this key belongs to the project ${own}`)
}

export const makeSecretRoutes =
  ({ secrets, rotation }: { readonly secrets: SecretService; readonly rotation: Rotation }): Routes =>
  (server) => {
    const tags = ['secrets']
    const read = { permission: 'secrets:read' } as const
    const write = { permission: 'secrets:write' } as const
    server.get(
      '/v1/secrets',
      {
        config: read,
        schema: {
          tags,
          summary: 'List secrets, newest first, never their values',
          querystring: z.strictObject(pageQuery),
        },
      },
      async ({ principal: { tenantId, projectId }, query }) => {
        const own = { projectId: projectId ?? undefined }
        return readPage(query, (filter) => secrets.list(tenantId, { ...filter, ...own }), secretView)
      },
    )
    server.get(
      '/v1/secrets/:name',
      {
        config: { ...read, conditional: true },
        schema: { tags, summary: 'A secret without its value', params, querystring: query },
      },
      async (request, reply) => {
        const secret = await secrets.find(placeOf(request.principal, request.params.name, request.query.projectId))
        return sendTagged(request, reply, stateOf(secret), secretView(secret))
      },
    )
    server.put(
      '/v1/secrets/:name',
      {
        config: { ...write, conditional: true },
        schema: { tags, summary: 'Make a secret or give it another value', params, querystring: query, body: newValue },
      },
      async (request, reply) => {
        const place = placeOf(request.principal, request.params.name, request.query.projectId)
        const secret = await secrets.set(place, request.body, ifMatch(request, stateOf))
        return sendTagged(request, reply, stateOf(secret), secretView(secret))
      },
    )
    server.delete(
      '/v1/secrets/:name',
      {
        config: { ...write, conditional: true },
        schema: {
          tags,
          summary: 'Remove a secret; what names it fails from now on',
          params,
          querystring: query,
          response: { 204: noContent },
        },
      },
      async (request, reply) => {
        const place = placeOf(request.principal, request.params.name, request.query.projectId)
        await secrets.remove(place, ifMatch(request, stateOf))
        return reply.code(204).send()
      },
    )
    server.post(
      '/v1/secrets/rotate',
      {
        config: { permission: 'tenants:write' },
        schema: { tags, summary: 'Put all sealed things under the newest key (operator); again until `isDone`' },
      },
      async () => rotation.rotate(),
    )
  }
