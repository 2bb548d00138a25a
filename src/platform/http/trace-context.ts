/**
 * W3C Trace Context (level 1): reads `traceparent` and `tracestate`, gives every request a span of its own, and hands the trace on to
 * calls that are made on behalf of the request while it is under way.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { MakeId } from '../ids.ts'

export interface Trace {
  /** 32 hex digits. */
  readonly traceId: string
  /** 16 hex digits: the caller's span, null where the trace begins here. */
  readonly parentId: string | null
  /** 16 hex digits: this request's own span. */
  readonly spanId: string
  readonly isSampled: boolean
  /** Handed on as it came. */
  readonly state: string | undefined
}

declare module 'fastify' {
  interface FastifyRequest {
    trace: Trace
  }
}

const VERSION_00 = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/
/** A version of the future is read by the fields that version 00 has. */
const LATER = /^(?!00|ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?$/
const ZEROS = /^0+$/
const LONGEST_STATE = 512

/** What a `traceparent` header says; undefined where it is malformed, as the standard wants. */
export const readTraceparent = (
  given: string | readonly string[] | undefined,
): { traceId: string; parentId: string; isSampled: boolean } | undefined => {
  if (typeof given !== 'string' || given.length > 200) return undefined
  const [, traceId = '', parentId = '', flags = ''] = VERSION_00.exec(given) ?? LATER.exec(given) ?? []
  if (traceId === '' || ZEROS.test(traceId) || ZEROS.test(parentId)) return undefined
  return { traceId, parentId, isSampled: (Number.parseInt(flags, 16) & 1) === 1 }
}

const formatTraceparent = ({ traceId, spanId, isSampled }: Trace): string =>
  `00-${traceId}-${spanId}-${isSampled ? '01' : '00'}`

/** The last half of a UUIDv7 is random. */
const spanIdFrom = (id: string): string => id.replaceAll('-', '').slice(-16)

export interface TraceHeaders {
  readonly traceparent?: string | readonly string[] | undefined
  readonly tracestate?: string | readonly string[] | undefined
}

/** The trace that a request belongs to, or a new one. */
export const traceOf = (headers: TraceHeaders, makeId: MakeId): Trace => {
  const parent = readTraceparent(headers.traceparent)
  if (!parent) {
    const traceId = makeId().replaceAll('-', '')
    return { traceId, parentId: null, spanId: spanIdFrom(makeId()), isSampled: false, state: undefined }
  }
  const states = headers.tracestate
  const state = Array.isArray(states) ? states.join(',') : (states as string | undefined)
  return { ...parent, spanId: spanIdFrom(makeId()), state: state && state.length <= LONGEST_STATE ? state : undefined }
}

/** The trace that the caller told of; one that began here leads nowhere. */
export const givenTraceId = ({ traceId, parentId }: Trace): string | undefined =>
  parentId === null ? undefined : traceId

interface Held {
  trace: Trace | undefined
}

export interface Traces {
  /** Runs `work`; until `end` is called, `outgoing()` knows the trace in all that `work` sets off. */
  within(trace: Trace, work: () => void): { end(): void }
  /** Headers for a call that is made for the request under way; none outside of a request. */
  outgoing(): Readonly<Record<string, string>>
}

const NONE: Readonly<Record<string, string>> = {}

export const makeTraces = (): Traces => {
  const storage = new AsyncLocalStorage<Held>()
  return {
    within(trace, work) {
      const held: Held = { trace }
      storage.run(held, work)
      // A request may set off work that goes on for days and draws other work after it: that is not the request's any more.
      return {
        end() {
          held.trace = undefined
        },
      }
    },
    outgoing() {
      const trace = storage.getStore()?.trace
      if (!trace) return NONE
      return { traceparent: formatTraceparent(trace), ...(trace.state && { tracestate: trace.state }) }
    },
  }
}
