/** HTTP routes of workflows. */
import { z } from 'zod'
import { ifMatch, sendTagged } from '../platform/http/etag.ts'
import { pageQuery, readPage } from '../platform/http/page.ts'
import type { Routes } from '../platform/http/server.ts'
import { jsonSchema, nameSchema, toTime } from '../platform/http/views.ts'
import type { JsonObject } from '../platform/json.ts'
import type { WorkflowService } from './service.ts'
import { addStateTest } from './test-state-routes.ts'
import type { Workflow } from './types.ts'

const workflowView = (workflow: Workflow) => ({
  name: workflow.name,
  kind: workflow.kind,
  status: workflow.status,
  version: workflow.version,
  projectId: workflow.projectId,
  createdAt: workflow.createdAtMs === 0 ? null : toTime(workflow.createdAtMs),
  updatedAt: workflow.updatedAtMs === 0 ? null : toTime(workflow.updatedAtMs),
})

const stateOf = ({ id, status, updatedAtMs }: Workflow) => ({ fields: [id, status, updatedAtMs] })
/** Another version is another answer, but no other workflow. */
const answerState = (workflow: Workflow) => ({ ...stateOf(workflow), figures: [workflow.version] })

const definitionBody = {
  definition: z
    .union([z.record(z.string(), jsonSchema), z.string()])
    .describe('States Language, as an object or a text.'),
  format: z.enum(['json', 'yaml']).optional().describe('Of a text; guessed when absent.'),
}
const byName = z.object({ name: nameSchema })
const tags = ['workflows']

export const makeWorkflowRoutes =
  (workflows: WorkflowService): Routes =>
  (server) => {
    server.post(
      '/v1/workflows',
      {
        config: { permission: 'workflows:write', conditional: true },
        schema: {
          tags,
          summary: 'Make a workflow, or its next version',
          description: '201 for a new version, 200 when the definition is the current one already.',
          body: z.strictObject({ name: nameSchema, ...definitionBody }),
        },
      },
      async (request, reply) => {
        const { tenantId, projectId } = request.principal
        const { name, format } = request.body
        const definition = request.body.definition as JsonObject | string
        const { workflow, isNew, warnings } = await workflows.put({
          ...{ tenantId, projectId, name, definition, format },
          check: ifMatch(request, (current: Workflow | undefined) => (current ? stateOf(current) : { fields: [] })),
        })
        return sendTagged(request, reply.code(isNew ? 201 : 200), answerState(workflow), {
          ...workflowView(workflow),
          warnings,
        })
      },
    )

    server.post(
      '/v1/workflows/validate',
      {
        config: { permission: 'workflows:read' },
        schema: { tags, summary: 'Check a definition without storing it', body: z.strictObject(definitionBody) },
      },
      async (request) => {
        const { definition, format } = request.body
        const { errors, warnings, findings } = workflows.check(definition as JsonObject | string, format)
        return { valid: errors.length === 0, findings, errors, warnings }
      },
    )

    addStateTest(server)

    server.get(
      '/v1/workflows',
      {
        config: { permission: 'workflows:read' },
        schema: {
          tags,
          summary: 'List workflows: those written in code first, then the stored ones, newest first',
          querystring: z.strictObject({ ...pageQuery, status: z.enum(['active', 'archived']).optional() }),
        },
      },
      async ({ principal, query }) => {
        const page = await readPage(query, (filter) => workflows.list(principal, filter), workflowView)
        const isFirst = query.cursor === undefined && query.status !== 'archived'
        const inCode = isFirst ? workflows.listCode(principal.tenantId).map(workflowView) : []
        return { ...page, items: [...inCode, ...page.items] }
      },
    )

    server.get(
      '/v1/workflows/:name',
      {
        config: { permission: 'workflows:read', conditional: true },
        schema: {
          tags,
          summary: 'Get a workflow with its definition',
          params: byName,
          querystring: z.strictObject({ version: z.coerce.number().int().min(1).optional() }),
        },
      },
      async (request, reply) => {
        const { workflow, definition } = await workflows.show(
          request.principal,
          request.params.name,
          request.query.version,
        )
        return sendTagged(request, reply, answerState(workflow), { ...workflowView(workflow), definition })
      },
    )

    server.delete(
      '/v1/workflows/:name',
      {
        config: { permission: 'workflows:write', conditional: true },
        schema: { tags, summary: 'Archive a workflow: no new runs; those under way go on', params: byName },
      },
      async (request, reply) => {
        const { principal, params: path } = request
        const workflow = await workflows.archive(principal, path.name, ifMatch(request, stateOf))
        return sendTagged(request, reply, answerState(workflow), workflowView(workflow))
      },
    )
  }
