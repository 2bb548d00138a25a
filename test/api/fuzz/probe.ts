/** Sends one request and says what about its answer must not be. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Route } from './openapi.ts'
import type { FuzzRequest } from './requests.ts'
import { type Key, MARKER } from './world.ts'

export interface Finding {
  readonly rule: string
  readonly route: string
  readonly status: number
  readonly request: string
  readonly answer: string
}

const STREAM_MS = 30
const WAIT_MS = 400
const ANSWER_MS = 20_000

interface Received {
  readonly status: number
  readonly type: string
  readonly text: string
}

/** The whole answer; of a stream, what it says at first. Undefined: none in the time allowed. */
const receive = async (url: string, init: RequestInit, timeoutMs: number): Promise<Received | undefined> => {
  const stop = new AbortController()
  const timer = setTimeout(() => stop.abort(), timeoutMs)
  try {
    const response = await fetch(url, { ...init, signal: stop.signal })
    const type = response.headers.get('content-type') ?? ''
    if (!type.startsWith('text/event-stream')) return { status: response.status, type, text: await response.text() }
    const reader = response.body!.getReader()
    const chunk = await Promise.race([reader.read(), sleep(STREAM_MS)])
    stop.abort()
    const text = chunk?.value ? Buffer.from(chunk.value).toString() : ''
    return { status: response.status, type, text }
  } catch (error) {
    if (stop.signal.aborted) return undefined
    throw error
  } finally {
    clearTimeout(timer)
  }
}

export interface ProbeOptions {
  readonly url: string
  /** Codes that the source defines. */
  readonly codes: ReadonlySet<string>
  readonly firstIds: ReadonlySet<string>
}

const problemFault = ({ status, type, text }: Received, codes: ReadonlySet<string>): string | undefined => {
  if (!type.startsWith('application/problem+json')) return `an error answers ${type || 'no content type'}`
  const problem = JSON.parse(text)
  if (!codes.has(problem.code)) return `the code "${problem.code}" is in no table`
  if (problem.type !== `urn:aidos:error:${problem.code}` || problem.status !== status)
    return 'the problem contradicts itself'
  return undefined
}

export const makeProbe =
  ({ url, codes, firstIds }: ProbeOptions) =>
  async (route: Route, request: FuzzRequest, key: Key | undefined): Promise<{ status: number; finding?: Finding }> => {
    const headers: Record<string, string> = {
      ...request.headers,
      ...(key && { authorization: `Bearer ${key.key}` }),
      ...(request.contentType && { 'content-type': request.contentType }),
    }
    const init = { method: request.method, headers, ...(request.body !== undefined && { body: request.body }) }
    const found = (rule: string, answer?: Received): { status: number; finding: Finding } => ({
      status: answer?.status ?? 0,
      finding: {
        rule,
        route: `${route.method} ${route.path}`,
        status: answer?.status ?? 0,
        request: `${key?.tenant ?? 'nobody'} (${key?.scope ?? 'no key'}): ${request.target.slice(0, 400)} ${JSON.stringify(request.headers)} ${request.contentType ?? ''} ${(request.body ?? '').slice(0, 600)}`,
        answer: (answer?.text ?? '').slice(0, 400),
      },
    })
    const answer = await receive(`${url}${request.target}`, init, route.mayWait ? WAIT_MS : ANSWER_MS)
    if (!answer) return route.mayWait ? { status: 0 } : found('no answer')
    const { status, text } = answer
    if (status >= 500) return found('a fault of the server', answer)
    if (status >= 400) {
      const fault = problemFault(answer, codes)
      if (fault) return found(fault, answer)
    }
    // Not a request yet: refused before anybody asked for the key.
    if (status === 431 || status === 414 || text.includes('"url_malformed"')) return { status }
    if (!route.isPublic && !key && status !== 401) return found('open without a key', answer)
    // A route that names none is open to any known caller.
    const isAllowed = route.isPublic || route.permission === undefined || key?.permissions.has(route.permission)
    if (key && !isAllowed && status !== 403) return found('open without the permission', answer)
    if (key?.tenant !== 'second') return { status }
    if (!route.isPublic && text.includes(MARKER)) return found("another tenant's data", answer)
    if (status < 300 && request.ids.some((value) => firstIds.has(value)))
      return found("another tenant's id answers", answer)
    return { status }
  }
