/** The builtin skill `http`: one request to any public address. */
import type { Clock } from '../../platform/clock.ts'
import type { Json } from '../../platform/json.ts'
import type { Outbound } from '../../platform/outbound/outbound.ts'
import { callHttp, EXPECT_SCHEMA } from '../http-call.ts'
import type { BuiltinSkill, Tool } from '../tool.ts'

export interface HttpSkillOptions {
  readonly outbound: Outbound
  readonly clock: Clock
}

export const makeHttpSkill = (options: HttpSkillOptions): BuiltinSkill => ({
  name: 'http',
  description: 'Calls HTTP services. Internal addresses are not reached, and redirects are not followed.',
  tools: [makeRequest(options)],
})

const makeRequest = (options: HttpSkillOptions): Tool => ({
  name: 'request',
  description:
    'Sends one request and returns { "status", "headers", "body" }; a JSON body is parsed. A body that is not text is sent as JSON. Other statuses than 2xx are errors unless "expect" names them; 429 and 5xx are tried again.',
  inputSchema: {
    type: 'object',
    required: ['url'],
    additionalProperties: false,
    properties: {
      url: { type: 'string', maxLength: 8192 },
      method: { enum: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] },
      headers: { type: 'object', additionalProperties: { type: 'string' }, maxProperties: 100 },
      body: {},
      timeoutMs: { type: 'integer', minimum: 1, maximum: 300_000 },
      expect: EXPECT_SCHEMA,
    },
  },
  async run(input, call) {
    const { url, method = 'GET', headers = {}, body, timeoutMs, expect } = input as RequestInput
    const isJson = body !== undefined && typeof body !== 'string'
    const request = {
      method,
      url,
      headers: { ...(isJson && { 'content-type': 'application/json' }), ...headers },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      ...(timeoutMs !== undefined && { timeoutMs }),
      ...(expect !== undefined && { expect }),
    }
    return callHttp(options, request, call)
  },
})

type RequestInput = {
  url: string
  method?: string
  headers?: Record<string, string>
  body?: Json
  timeoutMs?: number
  expect?: (number | string)[]
}
