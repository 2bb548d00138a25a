/** Time as a port, so that tests can turn it by hand. */
import { AsyncLocalStorage } from 'node:async_hooks'

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
  /** Calls `fn` once after `delayMs`; the returned function cancels it. Never keeps the process alive. */
  after(delayMs: number, fn: () => void): () => void
}

/** Node's timers overflow past 2^31-1 ms; a longer wait is cut and taken up again. */
const LONGEST_TIMER_MS = 2_147_483_647

/** What comes of a timer is nobody's call any more: it may be anybody's work that has fallen due by then. */
const outsideOfCalls = AsyncLocalStorage.snapshot()

export const systemClock: Clock = {
  now: () => Date.now(),
  after(delayMs, fn) {
    let timer: NodeJS.Timeout
    const arm = (leftMs: number): void => {
      const partMs = Math.min(Math.max(leftMs, 0), LONGEST_TIMER_MS)
      timer = setTimeout(() => (leftMs > partMs ? arm(leftMs - partMs) : outsideOfCalls(fn)), partMs)
      timer.unref()
    }
    arm(delayMs)
    return () => clearTimeout(timer)
  },
}

/** Waits for the end of `work`, however it ends, but no longer than `limitMs`. */
export const waitAtMost = async (clock: Clock, limitMs: number, work: Promise<unknown>): Promise<void> => {
  let cancel = (): void => {}
  const limit = new Promise<void>((resolve) => {
    cancel = clock.after(limitMs, resolve)
  })
  await Promise.race([Promise.allSettled([work]), limit])
  cancel()
}

export interface FakeClock extends Clock {
  /** Moves time forward and runs what falls due, in order of its time. */
  advance(byMs: number): void
}

/** A clock that moves only when told to. */
export const makeFakeClock = (startMs = Date.UTC(2026, 0, 1)): FakeClock => {
  let nowMs = startMs
  let nextId = 0
  const timers = new Map<number, { dueMs: number; fn: () => void }>()
  return {
    now: () => nowMs,
    after(delayMs, fn) {
      const id = nextId++
      timers.set(id, { dueMs: nowMs + Math.max(delayMs, 0), fn })
      return () => timers.delete(id)
    },
    advance(byMs) {
      const untilMs = nowMs + byMs
      for (;;) {
        const due = [...timers]
          .filter(([, t]) => t.dueMs <= untilMs)
          .sort((a, b) => a[1].dueMs - b[1].dueMs || a[0] - b[0])[0]
        if (!due) break
        timers.delete(due[0])
        nowMs = Math.max(nowMs, due[1].dueMs)
        due[1].fn()
      }
      nowMs = untilMs
    },
  }
}
