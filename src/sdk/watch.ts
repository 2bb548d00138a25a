/** Follows a timeline live, over broken connections, without a gap and without an event twice. */
import { ApiError } from './errors.ts'
import { readServerSentEvents } from './server-sent-events.ts'
import type { Transport } from './transport.ts'
import type { EventView } from './views.ts'

export interface WatchOptions {
  /** Only events after this one. */
  readonly after?: number | undefined
  readonly signal?: AbortSignal | undefined
  /** How long nothing may come, connections tried in vain included, before it gives up; default 60 s. */
  readonly patienceMs?: number
}

interface Stream {
  readonly path: string
  readonly isLast: (event: EventView) => boolean
}

/** The server sends a comment every 15 s: a connection silent for longer than this is dead. */
const SILENCE_MS = 45_000
const FIRST_WAIT_MS = 100
const LONGEST_WAIT_MS = 5000
/** Of two processes that write at the same moment the one with the younger event may commit first: so long it may be ahead. */
const OVERTAKEN_MS = 10_000
const RECENT_MAX = 5000

/** Knows what has come, and after which event a new connection must go on so that nothing is missing that was overtaken. */
const makeReceived = (after: number, now: () => number) => {
  const recent = new Map<number, number>()
  let resumeAfter = after
  const forgetOld = (nowMs: number): void => {
    for (const [id, atMs] of recent) {
      if (recent.size <= RECENT_MAX && nowMs - atMs < OVERTAKEN_MS) return
      recent.delete(id)
      resumeAfter = Math.max(resumeAfter, id)
    }
  }
  return {
    /** False for one that has come before. */
    add(id: number): boolean {
      if (id <= after || recent.has(id)) return false
      forgetOld(now())
      recent.set(id, now())
      return true
    },
    /** What came after it is known, and passed over when it comes again. */
    get resumeAfter() {
      return resumeAfter
    },
  }
}

/** Ends after the last event. Rejects when the server refuses, or when patience has run out. */
export async function* watchEvents(
  transport: Transport,
  { path, isLast }: Stream,
  { after = 0, signal, patienceMs = 60_000 }: WatchOptions = {},
): AsyncGenerator<EventView> {
  const received = makeReceived(after, () => performance.now())
  let heardAtMs = performance.now()
  let waitMs = FIRST_WAIT_MS
  for (;;) {
    signal?.throwIfAborted()
    const silence = new AbortController()
    const onBytes = (): void => {
      heardAtMs = performance.now()
      waitMs = FIRST_WAIT_MS
      timer.refresh()
    }
    const timer = setTimeout(() => silence.abort(new Error('nothing came for too long')), SILENCE_MS)
    try {
      const response = await transport.open('GET', path, {
        headers: {
          accept: 'text/event-stream',
          ...(received.resumeAfter > 0 && { 'last-event-id': String(received.resumeAfter) }),
        },
        signal: signal ? AbortSignal.any([signal, silence.signal]) : silence.signal,
      })
      // All that happened has come before.
      if (response.status === 204) return
      for await (const { data } of readServerSentEvents(response.body ?? new ReadableStream(), onBytes)) {
        const event = JSON.parse(data) as EventView
        if (!received.add(event.id)) continue
        yield event
        if (isLast(event)) return
      }
    } catch (error) {
      signal?.throwIfAborted()
      const isRefused = error instanceof ApiError && !error.retryable
      if (isRefused || performance.now() - heardAtMs > patienceMs) throw error
    } finally {
      clearTimeout(timer)
      silence.abort()
    }
    await pause(waitMs, signal)
    waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)
  }
}

const pause = (ms: number, signal: AbortSignal | undefined): Promise<void> =>
  new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, ms)
    signal?.addEventListener('abort', end, { once: true })
  })
