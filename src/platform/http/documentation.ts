/** What the documentation says of every route beyond its schemas: what a caller needs, and the headers of conditional requests. */
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod'

export const DESCRIPTION = `Runs AI agents, durable workflows, schedules and notifications.

Every call carries \`Authorization: Bearer KEY\`. Errors are RFC 9457 problem details with a stable \`code\`. Lists are paged: pass
\`nextCursor\` of one page as \`cursor\` of the next, of a timeline as \`after\`. A change with \`If-Match\` happens only
while the thing is as its \`ETag\` says.`

interface Response {
  description?: string
  headers?: Record<string, object>
  content?: object
}

/** Of an operation, what is added to here. */
interface Operation {
  parameters?: object[]
  responses?: Record<string, Response>
  'x-conditional'?: true
}

interface Document {
  readonly paths?: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  components?: { schemas?: Record<string, object> }
}

const text = { type: 'string' } as const
const PROBLEM = {
  type: 'object',
  description: 'Problem details (RFC 9457).',
  properties: {
    type: { ...text, description: 'Stands for the code: `urn:aidos:error:CODE`.' },
    title: text,
    status: { type: 'integer' },
    code: { ...text, description: 'Stable: what programs look at.' },
    detail: text,
    requestId: text,
  },
  required: ['type', 'title', 'status', 'code', 'detail', 'requestId'],
}
const ETAG = { schema: text, description: 'The state of the thing, for `If-Match` and `If-None-Match`.' }
const IF_MATCH = {
  ...{ in: 'header', name: 'If-Match', required: false, schema: text },
  description: 'Tags of the states (`ETag`) in which the thing may be changed; another one is answered 412.',
}
const IF_NONE_MATCH = {
  ...{ in: 'header', name: 'If-None-Match', required: false, schema: text },
  description: 'Tags (`ETag`) of answers that the caller has; while it is one of them the answer is 304.',
}
const NOT_MODIFIED = { description: 'The caller has it already.', headers: { ETag: ETAG } }
const PRECONDITION_FAILED = {
  description: '`precondition_failed`: it was changed since the caller has read it.',
  content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
}

const addConditions = (method: string, operation: Operation): void => {
  const isRead = method === 'get'
  operation.parameters = [...(operation.parameters ?? []), isRead ? IF_NONE_MATCH : IF_MATCH]
  const responses = operation.responses ?? {}
  for (const [status, response] of Object.entries(responses)) {
    // What has no body is gone, and has no state.
    if (status.startsWith('2') && status !== '204') response.headers = { ...response.headers, ETag: ETAG }
  }
  operation.responses = { ...responses, ...(isRead ? { 304: NOT_MODIFIED } : { 412: PRECONDITION_FAILED }) }
}

/** The schemas of a route, with what it demands of the caller. */
export const describeRoute: typeof jsonSchemaTransform = (input) => {
  const { schema, url } = jsonSchemaTransform(input)
  const { permission, public: isPublic, conditional } = input.route.config ?? {}
  const facts = {
    ...(permission && { 'x-permission': permission }),
    ...(isPublic && { security: [] }),
    ...(conditional && { 'x-conditional': true }),
  }
  return { schema: { ...schema, ...facts }, url }
}

/** The whole document, when all routes are in it. */
export const describeAll: typeof jsonSchemaTransformObject = (input) => {
  const made = jsonSchemaTransformObject(input)
  const document = made as Document
  for (const operations of Object.values(document.paths ?? {})) {
    for (const [method, operation] of Object.entries(operations)) {
      if (operation['x-conditional']) addConditions(method, operation)
      delete operation['x-conditional']
    }
  }
  document.components = { ...document.components, schemas: { ...document.components?.schemas, Problem: PROBLEM } }
  return made
}
