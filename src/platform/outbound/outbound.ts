/** The one way out: every call to a host that a tenant may name goes through here. */
import type { Readable } from 'node:stream'
import { Agent } from 'undici'
import { type Clock, systemClock } from '../clock.ts'
import { AppError, messageOf } from '../errors.ts'
import type { Json } from '../json.ts'
import { makeAsFetch } from './as-fetch.ts'
import { ACCEPTED_ENCODINGS, readBody } from './body.ts'
import { type Lookup, makeGuardedConnect, systemLookup } from './connect.ts'
import { outboundErrors } from './errors.ts'
import { checkHeaders, flattenHeaders, WITHOUT_BODY } from './headers.ts'
import { makeOutboundPolicy } from './policy.ts'
import type { Outbound, OutboundBody } from './types.ts'

export type { Outbound, OutboundResponse } from './types.ts'

export interface OutboundOptions {
  /** Hosts that may be called although they are not public; see `makeOutboundPolicy`. */
  readonly allow: readonly string[]
  /** For a whole call, from the look-up of the name to the last byte. */
  readonly timeoutMs: number
  /** Of a body, decoded. */
  readonly maxResponseBytes: number
  /** Headers for every call, unless it has them itself: the trace it is made in. */
  readonly headers?: () => Readonly<Record<string, string>>
  readonly lookup?: Lookup
  readonly clock?: Clock
}

/** Connects to nothing yet. Throws when the allow-list has an entry that means nothing. */
export const makeOutbound = (options: OutboundOptions): Outbound => {
  const { timeoutMs, maxResponseBytes, lookup = systemLookup, clock = systemClock } = options
  const policy = makeOutboundPolicy(options.allow)
  const agent = new Agent({
    connect: makeGuardedConnect(policy, lookup, timeoutMs),
    allowH2: false,
    // The time-out of the whole call is stricter than undici's own.
    headersTimeout: 0,
    bodyTimeout: 0,
  })
  let stopped = false

  const stream: Outbound['stream'] = async (url, request = {}) => {
    const target = checkUrl(url)
    const headers = checkHeaders(request.headers)
    request.signal?.throwIfAborted()
    if (stopped) throw outboundErrors.outbound_stopped('outbound calls are stopped')
    const method = (request.method ?? 'GET').toUpperCase()
    const { signal, end } = watchTime(clock, target.host, request.timeoutMs ?? timeoutMs, request.signal)
    const asError = (error: unknown): unknown => {
      if (signal.aborted) return signal.reason
      return stopped ? outboundErrors.outbound_stopped('outbound calls are stopped') : failureOf(error, target)
    }
    try {
      const answer = await agent.request({
        origin: target.origin,
        path: target.pathname + target.search,
        method: method as 'GET',
        headers: { 'accept-encoding': ACCEPTED_ENCODINGS, 'user-agent': 'aidos', ...options.headers?.(), ...headers },
        body: request.body ?? null,
        signal,
      })
      // Whoever reads the body is told of its errors; nobody may be reading yet.
      answer.body.on('error', () => {})
      const headersOfAnswer = flattenHeaders(answer.headers)
      const isEmpty =
        method === 'HEAD' || WITHOUT_BODY.has(answer.statusCode) || headersOfAnswer['content-length'] === '0'
      const encoding = isEmpty ? '' : (headersOfAnswer['content-encoding'] ?? '')
      const read = async function* (): AsyncGenerator<Uint8Array, void> {
        try {
          yield* readBody(answer.body as Readable, encoding, request.maxResponseBytes ?? maxResponseBytes)
        } catch (error) {
          throw asError(error)
        } finally {
          end()
        }
      }
      const body = leavable(read(), () => {
        answer.body.destroy()
        end()
      })
      return { status: answer.statusCode, headers: headersOfAnswer, body }
    } catch (error) {
      end()
      throw asError(error)
    }
  }

  const fetch: Outbound['fetch'] = async (url, request) => {
    const { status, headers, body } = await stream(url, request)
    const bytes = Buffer.concat(await Array.fromAsync(body))
    const text = (): string => bytes.toString('utf8')
    return { status, headers, body: bytes, text, json: () => JSON.parse(text()) as Json }
  }

  return {
    fetch,
    stream,
    asFetch: (limits = {}) => makeAsFetch((url, request) => stream(url, { ...limits, ...request })),
    async stop() {
      stopped = true
      await agent.destroy()
    },
  }
}

/** Aborts when the time is up or the caller does; `end` lets go of both. */
const watchTime = (clock: Clock, host: string, limitMs: number, caller: AbortSignal | undefined) => {
  const abort = new AbortController()
  const onAbort = (): void => abort.abort(caller?.reason)
  caller?.addEventListener('abort', onAbort, { once: true })
  const cancelTimer = clock.after(limitMs, () => {
    abort.abort(outboundErrors.outbound_timeout(`${host} did not answer within ${limitMs} ms`))
  })
  const end = (): void => {
    cancelTimer()
    caller?.removeEventListener('abort', onAbort)
  }
  return { signal: abort.signal, end }
}

/** A generator that was never started runs nothing when it is left, not even its `finally`. */
const leavable = (body: AsyncGenerator<Uint8Array, void>, leave: () => void): OutboundBody => ({
  next: () => body.next(),
  return() {
    leave()
    return body.return()
  },
  [Symbol.asyncIterator]() {
    return this
  },
})

const checkUrl = (url: string | URL): URL => {
  const target = URL.parse(String(url))
  if (!target) throw outboundErrors.outbound_invalid(`${JSON.stringify(String(url).slice(0, 200))} is not a URL`)
  if (target.protocol !== 'http:' && target.protocol !== 'https:')
    throw outboundErrors.outbound_invalid(`only http and https can be called, not ${target.protocol}`)
  if (target.username !== '' || target.password !== '')
    throw outboundErrors.outbound_invalid('a URL must not carry a user name or a password: use a header')
  return target
}

const failureOf = (error: unknown, target: URL): AppError => {
  if (error instanceof AppError) return error
  const code = String((error as { code?: unknown }).code ?? '')
  const options = { cause: error, details: { host: target.host, reason: code } }
  if (code === 'UND_ERR_INVALID_ARG') return outboundErrors.outbound_invalid(messageOf(error), options)
  if (code === 'UND_ERR_CONNECT_TIMEOUT')
    return outboundErrors.outbound_timeout(`${target.host} could not be connected to in time`, options)
  if (code === 'UND_ERR_HEADERS_OVERFLOW')
    return outboundErrors.outbound_too_large(`the headers of ${target.host} are too large`, options)
  return outboundErrors.outbound_failed(`the call to ${target.host} failed: ${code || messageOf(error)}`, options)
}
