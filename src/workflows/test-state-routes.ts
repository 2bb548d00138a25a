/** HTTP routes for those who write definitions: one state tried by itself, and the schema for editors. */
import { z } from 'zod'
import { parseDefinition, type StateTest, schema, testState } from '../asl/index.ts'
import type { HttpServer } from '../platform/http/server.ts'
import { jsonSchema } from '../platform/http/views.ts'
import type { JsonObject } from '../platform/json.ts'
import { workflowErrors } from './errors.ts'

const jsonObject = z.record(z.string(), jsonSchema)

const stateTest = z.strictObject({
  definition: z.union([jsonObject, z.string()]).describe('One state, or a definition with stateName.'),
  format: z.enum(['json', 'yaml']).optional(),
  stateName: z.string().max(80).optional(),
  input: jsonSchema.optional(),
  inspectionLevel: z.enum(['INFO', 'DEBUG', 'TRACE']).optional(),
  mock: z
    .strictObject({
      result: jsonSchema.optional(),
      errorOutput: z.strictObject({ error: z.string().optional(), cause: z.string().optional() }).optional(),
      fieldValidationMode: z.string().optional(),
    })
    .optional()
    .describe('Stands for what the task, the branches or the iterations would give.'),
  context: jsonObject.optional(),
  variables: jsonObject.optional(),
  revealSecrets: z.boolean().optional().describe('Without effect; not together with a mock.'),
  stateConfiguration: z
    .strictObject({
      retrierRetryCount: z.number().int().min(0).optional(),
      mapIterationFailureCount: z.number().int().min(0).optional(),
      errorCausedByState: z.string().optional(),
      mapItemReaderData: z.string().optional(),
    })
    .optional(),
})

export const addStateTest = (server: HttpServer): void => {
  const tags = ['workflows']

  server.post(
    '/v1/workflows/test-state',
    {
      config: { permission: 'workflows:read' },
      schema: {
        tags,
        summary: 'Try one state with an input, without a run',
        description: 'Does no task: give a mock. 422 when the state or the request makes no sense.',
        body: stateTest,
      },
    },
    async (request) => {
      const { definition, format, ...rest } = request.body
      const parsed = parseDefinition(definition as JsonObject | string, format)
      if (!parsed.ok) throw workflowErrors.state_test_rejected(parsed.findings.map(({ message }) => message).join('; '))
      const result = await testState({ ...(rest as Omit<StateTest, 'definition'>), definition: parsed.definition })
      if (result.status !== 'REJECTED') return result
      throw workflowErrors.state_test_rejected(result.cause ?? 'the test was refused', {
        details: { error: result.error },
      })
    },
  )

  server.get(
    '/v1/workflows/schema.json',
    {
      config: { permission: 'workflows:read' },
      schema: { tags, summary: 'JSON Schema of definitions, for editors' },
    },
    async () => schema,
  )
}
