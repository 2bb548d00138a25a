/** One HTTP call to the server: JSON there, JSON back, problems as errors. */
import type { Finding } from '../platform/errors.ts'
import { ApiError, ConnectionError } from './errors.ts'

export type Query = Readonly<Record<string, string | number | undefined>>

export interface Call {
  readonly query?: Query | undefined
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal | undefined
}

export interface Transport {
  readonly url: string
  /** Rejects with `ApiError` or `ConnectionError`. */
  json<T>(method: string, path: string, call?: Call): Promise<T>
  /** The answer as it comes, of a status below 400. */
  open(method: string, path: string, call?: Call): Promise<Response>
}

export interface TransportOptions {
  readonly url: string
  readonly key?: string | undefined
  readonly fetch: typeof fetch
}

export const makeTransport = ({ url, key, fetch }: TransportOptions): Transport => {
  if (typeof url !== 'string' || !URL.canParse(url)) {
    throw new TypeError(`the url of the server is ${JSON.stringify(url)}; allowed: one such as http://127.0.0.1:3000`)
  }
  const base = url.replace(/\/+$/, '')

  const open: Transport['open'] = async (method, path, { query = {}, body, headers, signal } = {}) => {
    const given = new URLSearchParams()
    for (const [name, value] of Object.entries(query)) if (value !== undefined) given.set(name, String(value))
    const search = given.size > 0 ? `?${given}` : ''
    const response = await fetch(`${base}${path}${search}`, {
      method,
      headers: {
        accept: 'application/json',
        ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal ? { signal } : {}),
    }).catch((error: unknown) => {
      throw signal?.aborted ? error : new ConnectionError(base, error)
    })
    if (response.status >= 400) throw await toApiError(response)
    return response
  }

  return {
    url: base,
    open,
    async json<T>(method: string, path: string, call?: Call) {
      const response = await open(method, path, call)
      const text = await response.text().catch((error: unknown) => {
        throw new ConnectionError(base, error)
      })
      if (text === '') return null as T
      try {
        return JSON.parse(text) as T
      } catch {
        throw new ApiError({ status: 502, code: 'answer_invalid', detail: `${base}${path} did not answer with JSON` })
      }
    },
  }
}

interface Problem {
  readonly code?: string
  readonly detail?: string
  readonly requestId?: string
  readonly findings?: readonly Finding[]
  readonly details?: Readonly<Record<string, unknown>>
}

const toApiError = async (response: Response): Promise<ApiError> => {
  const text = await response.text().catch(() => '')
  const retryAfterS = Number(response.headers.get('retry-after') ?? Number.NaN)
  const more = {
    status: response.status,
    ...(Number.isFinite(retryAfterS) ? { retryAfterMs: retryAfterS * 1000 } : {}),
  }
  try {
    const { code, detail, requestId, findings, details } = JSON.parse(text) as Problem
    return new ApiError({
      ...more,
      code: code ?? `http_${response.status}`,
      detail: detail ?? response.statusText,
      requestId,
      findings,
      details,
    })
  } catch {
    const detail = `the server answered ${response.status} ${response.statusText}`.trim()
    return new ApiError({ ...more, code: `http_${response.status}`, detail })
  }
}
