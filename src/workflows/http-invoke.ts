/**
 * `http:invoke` as the service has it: one call, its parameters and its errors. A connection adds headers or query parameters where
 * the call is made, so what it holds is in no journal, task or answer.
 */
import type { Json, JsonObject } from '../platform/json.ts'
import type { Outbound } from '../platform/outbound/outbound.ts'
import type { OutboundResponse } from '../platform/outbound/types.ts'
import type { TaskHandler } from '../tasks/index.ts'
import { encodeForm } from './http-form.ts'

export interface HttpConnection {
  readonly headers: Readonly<Record<string, string>>
  readonly query: Readonly<Record<string, string>>
}

export interface HttpInvokeOptions {
  readonly outbound: Outbound
  /** By the ARN or name that definitions give. */
  readonly connections: Readonly<Record<string, HttpConnection>>
}

/** The kind of the task that makes the call. */
export const HTTP_INVOKE = 'http:invoke'

/** The service gives an endpoint a minute. */
const TIMEOUT_MS = 60_000

/** Rejects with errors whose `code` is `States.Http.StatusCode.NNN`, `States.Http.Socket` or `States.Runtime`. */
export const makeHttpInvoke =
  ({ outbound, connections }: HttpInvokeOptions): TaskHandler =>
  async (input, call) => {
    const { url, method, headers, body, secrets } = prepare(input as JsonObject, connections)
    let response: OutboundResponse
    try {
      response = await outbound.fetch(url, {
        method,
        headers: { 'idempotency-key': call.idempotencyKey, ...headers },
        timeoutMs: TIMEOUT_MS,
        signal: call.signal,
        ...(body === undefined ? {} : { body }),
      })
    } catch (error) {
      call.signal.throwIfAborted()
      throw failure(codeOf(error), hide((error as Error).message, secrets))
    }
    const text = hide(response.text(), secrets)
    if (response.status < 200 || response.status > 299) {
      throw failure(`States.Http.StatusCode.${response.status}`, text.slice(0, LONGEST_CAUSE))
    }
    const answered = Object.entries(response.headers).map(([name, value]) => [name, [hide(value, secrets)]])
    return {
      Headers: Object.fromEntries(answered) as JsonObject,
      ResponseBody: readBody(response, text),
      StatusCode: response.status,
    }
  }

const LONGEST_CAUSE = 32_768

const failure = (code: string, message: string): Error => Object.assign(new Error(message), { code })

/** What cannot be sent at all is the definition's mistake; all else is the network's. */
const codeOf = (error: unknown): string => {
  const { code } = error as { code?: unknown }
  return code === 'outbound_invalid' || code === 'outbound_blocked' || code === 'outbound_too_large'
    ? 'States.Runtime'
    : 'States.Http.Socket'
}

/** An endpoint that repeats what it was sent must not put a secret into results. */
const hide = (text: string, secrets: readonly string[]): string =>
  secrets.reduce((shown, secret) => shown.replaceAll(secret, '***'), text)

interface Prepared {
  readonly url: URL
  readonly method: string
  readonly headers: Record<string, string>
  readonly body: string | undefined
  readonly secrets: readonly string[]
}

const prepare = (input: JsonObject, connections: HttpInvokeOptions['connections']): Prepared => {
  const { ApiEndpoint, Method = 'GET', Headers = {}, QueryParameters = {}, RequestBody, Transform = {} } = input
  const connection = connectionOf(input, connections)
  const url = URL.parse(String(ApiEndpoint))
  if (!url) throw failure('States.Runtime', `ApiEndpoint is no URL: ${JSON.stringify(ApiEndpoint)}`)
  const query = { ...(QueryParameters as JsonObject), ...connection?.query }
  for (const [name, value] of Object.entries(query)) {
    for (const each of Array.isArray(value) ? value : [value]) url.searchParams.append(name, asText(each))
  }
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries({ ...(Headers as JsonObject), ...connection?.headers })) {
    headers[name.toLowerCase()] = Array.isArray(value) ? value.map(asText).join(', ') : asText(value)
  }
  const { RequestBodyEncoding, RequestEncodingOptions } = Transform as JsonObject
  let body: string | undefined
  if (RequestBody !== undefined) {
    const isForm = RequestBodyEncoding === 'URL_ENCODED'
    body = isForm ? encodeForm(RequestBody, RequestEncodingOptions) : asText(RequestBody)
    headers['content-type'] ??= isForm ? 'application/x-www-form-urlencoded' : 'application/json; charset=UTF-8'
  }
  const secrets = Object.values({ ...connection?.headers, ...connection?.query }).filter((text) => text.length > 3)
  return { url, method: String(Method), headers, body, secrets }
}

/** By `Authentication`, or `InvocationConfig` as it is called too. */
const connectionOf = (input: JsonObject, connections: HttpInvokeOptions['connections']): HttpConnection | undefined => {
  const { ConnectionArn: arn } = (input.Authentication ?? input.InvocationConfig ?? {}) as JsonObject
  if (arn === undefined) return undefined
  if (typeof arn === 'string' && Object.hasOwn(connections, arn)) return connections[arn]
  throw failure('States.Runtime', `nothing is bound to the connection ${JSON.stringify(arn)}`)
}

const asText = (value: Json): string => (typeof value === 'string' ? value : JSON.stringify(value))

const readBody = ({ headers }: OutboundResponse, text: string): Json => {
  if (!/^application\/(?:[\w.-]+\+)?json\b/i.test(headers['content-type'] ?? '')) return text
  try {
    return JSON.parse(text) as Json
  } catch {
    return text
  }
}
