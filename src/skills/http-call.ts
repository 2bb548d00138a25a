/** Calls an HTTP service for a tool: what counts as success, what is worth another try, and how the answer looks as JSON. */
import type { Clock } from '../platform/clock.ts'
import { defineErrors } from '../platform/errors.ts'
import type { Json, JsonObject } from '../platform/json.ts'
import type { Outbound, OutboundResponse } from '../platform/outbound/outbound.ts'
import { parseRetryAfter } from '../platform/outbound/retry-after.ts'
import type { ToolCall } from './tool.ts'

const httpErrors = defineErrors({
  /** The service answered, and would answer so again; `details` has status and body. */
  http_refused: { status: 422 },
  /** The service cannot answer now: too many calls, or it is broken. */
  http_unavailable: { status: 503, retryable: true },
  /** The answer says that it is JSON, and is not. */
  http_answer_invalid: { status: 502 },
})

export interface HttpRequest {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
  readonly timeoutMs?: number
  /** Statuses that count as success, as numbers or as classes (`2xx`). 2xx if not said. */
  readonly expect?: readonly (number | string)[]
  /** Applied to what comes back: a service that repeats what it was sent must not put secrets into results and logs. */
  readonly redact?: (text: string) => string
}

/** The answer as expressions and agents see it: a JSON body is parsed. */
export type HttpAnswer = { status: number; headers: { [name: string]: string }; body: Json }

/** The schema of `HttpRequest.expect`. */
export const EXPECT_SCHEMA = {
  type: 'array',
  maxItems: 50,
  items: { anyOf: [{ type: 'integer', minimum: 100, maximum: 599 }, { enum: ['1xx', '2xx', '3xx', '4xx', '5xx'] }] },
} as const

const RETRYABLE_STATUSES: ReadonlySet<number> = new Set([408, 425, 429])
const SHOWN_BODY = 1000

/** Rejects with `httpErrors` or `outboundErrors`. The idempotency key of the task goes along on every try. */
export const callHttp = async (
  { outbound, clock }: { readonly outbound: Outbound; readonly clock: Clock },
  { method, url, headers, body, timeoutMs, expect = ['2xx'], redact = asIs }: HttpRequest,
  call: ToolCall,
): Promise<HttpAnswer> => {
  const response = await outbound.fetch(url, {
    method,
    headers: { 'idempotency-key': call.idempotencyKey, ...lowerCased(headers) },
    signal: call.signal,
    ...(body !== undefined && { body }),
    ...(timeoutMs !== undefined && { timeoutMs }),
  })
  const { status } = response
  if (!expect.includes(status) && !expect.includes(`${Math.floor(status / 100)}xx`))
    throw statusError(method, url, response, clock, redact)
  const shown = Object.entries(response.headers).map(([name, value]) => [name, redact(value)])
  return { status, headers: Object.fromEntries(shown), body: bodyOf(response, url, redact) }
}

const asIs = (text: string): string => text

const lowerCased = (headers: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))

const statusError = (
  method: string,
  url: string,
  response: OutboundResponse,
  clock: Clock,
  redact: (text: string) => string,
) => {
  const { status, headers } = response
  const retryAfterMs = parseRetryAfter(headers['retry-after'], clock.now())
  const details: JsonObject = { status, body: redact(response.text()).slice(0, SHOWN_BODY) }
  // The query may carry secrets; errors are kept and shown.
  const message = `${method} ${url.split(/[?#]/)[0]} was answered with ${status}`
  if (status >= 500 || RETRYABLE_STATUSES.has(status))
    return httpErrors.http_unavailable(message, { details, ...(retryAfterMs !== undefined && { retryAfterMs }) })
  return httpErrors.http_refused(message, { details })
}

const bodyOf = (response: OutboundResponse, url: string, redact: (text: string) => string): Json => {
  const type = response.headers['content-type'] ?? ''
  if (response.body.length === 0) return null
  if (!/^application\/(?:[\w.-]+\+)?json\b/i.test(type)) return redact(response.text())
  try {
    // The spelling of a secret in JSON is taken out too, so what is left is JSON still.
    return JSON.parse(redact(response.text())) as Json
  } catch (error) {
    const where = url.split(/[?#]/)[0]
    throw httpErrors.http_answer_invalid(`the answer of ${where} is no JSON, though it says so`, { cause: error })
  }
}
