/** The form of each kind of definition, as JSON Schema: what is checked before anything is made of it. */
import type { JsonSchema } from '../platform/json.ts'
import { SECRET_REFERENCE } from '../secrets/index.ts'
import { EXPECT_SCHEMA } from './http-call.ts'
import type { OwnKind } from './types.ts'

const MOST_TOOLS = 50
const LONGEST_TIMEOUT_MS = 300_000
const MiB = 1_048_576

/** What a function may take if its skill does not say. */
export const DEFAULT_LIMITS = { timeoutMs: 5000, memoryBytes: 64 * MiB } as const

const object = (required: readonly string[], properties: JsonSchema): JsonSchema => ({
  type: 'object',
  required,
  additionalProperties: false,
  properties,
})

const text = (maxLength: number): JsonSchema => ({ type: 'string', minLength: 1, maxLength })
const tools = (schema: JsonSchema): JsonSchema => ({ type: 'array', minItems: 1, maxItems: MOST_TOOLS, items: schema })
const timeoutMs = { type: 'integer', minimum: 1, maximum: LONGEST_TIMEOUT_MS }
const headers = {
  type: 'object',
  maxProperties: 50,
  additionalProperties: { anyOf: [{ type: 'string', maxLength: 8192 }, SECRET_REFERENCE] },
}

/** What a tool of any kind has. The rule of names is told better than a pattern does: see names.ts. */
const common = { name: { type: 'string' }, description: text(2000), inputSchema: { type: 'object' } }

const http = object(['tools'], {
  baseUrl: text(2048),
  headers,
  timeoutMs,
  tools: tools(
    object(['name', 'description', 'url'], {
      ...common,
      method: { type: 'string' },
      url: text(8192),
      headers,
      body: {
        type: ['object', 'null'],
        minProperties: 1,
        maxProperties: 1,
        additionalProperties: false,
        properties: { jsonata: text(65_536), template: text(65_536) },
      },
      output: text(65_536),
      timeoutMs,
      expect: EXPECT_SCHEMA,
    }),
  ),
})

const sandboxed = object(['source', 'tools'], {
  source: text(MiB),
  tools: tools(object(['name', 'description'], { ...common, entry: text(100) })),
  limits: object([], {
    timeoutMs: { type: 'integer', minimum: 1, maximum: 60_000 },
    memoryBytes: { type: 'integer', minimum: 10 * MiB, maximum: 256 * MiB },
  }),
})

export const DEFINITION_SCHEMAS: Readonly<Record<OwnKind, JsonSchema>> = { http, function: sandboxed }
