/**
 * Goes on with limits of this process alone while the shared store is away: open, but within a bound (each process then allows the whole
 * limit by itself). It says so once in the log when it begins and when it ends, and in a figure.
 */
import type { Clock } from '../clock.ts'
import type { Log } from '../log.ts'
import type { RateLimiter } from './rate-limiter.ts'

export interface FallbackLimiterOptions {
  readonly shared: RateLimiter
  readonly local: RateLimiter
  readonly clock: Clock
  readonly log: Log
  /** An answer that takes longer counts as none. */
  readonly timeoutMs?: number
  /** How long the store is left alone after a failure. */
  readonly pauseMs?: number
}

export interface FallbackLimiter extends RateLimiter {
  /** Whether the limits are those of this process alone at the moment. */
  readonly isLocal: boolean
  /** Decisions made alone since the start. */
  readonly localDecisions: number
}

export const makeFallbackLimiter = (options: FallbackLimiterOptions): FallbackLimiter => {
  const { shared, local, clock, log, timeoutMs = 250, pauseMs = 1000 } = options
  let isLocal = false
  let localDecisions = 0
  let askAgainAtMs = 0
  let isTrying = false

  const failed = (error: unknown): void => {
    askAgainAtMs = clock.now() + pauseMs
    if (!isLocal) log.warn({ err: error }, 'the shared rate limits are away: each process limits by itself')
    isLocal = true
  }

  const inTime = <T>(work: Promise<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      // A process that stood still finds the time up before it reads the answer that has come meanwhile: that is read first.
      const cancel = clock.after(timeoutMs, () =>
        setImmediate(() => reject(new Error(`no answer within ${timeoutMs} ms`))),
      )
      work.then(resolve, reject).finally(cancel)
    })

  return {
    async take(key, policy) {
      if (clock.now() >= askAgainAtMs && !isTrying) {
        // Whether it is back one finds out for all: the others need not wait for what is hardly there.
        isTrying = isLocal
        try {
          const decision = await inTime(Promise.resolve(shared.take(key, policy)))
          if (isLocal) log.info('the shared rate limits are back')
          isLocal = false
          return decision
        } catch (error) {
          failed(error)
        } finally {
          isTrying = false
        }
      }
      localDecisions++
      return local.take(key, policy)
    },
    get isLocal() {
      return isLocal
    },
    get localDecisions() {
      return localDecisions
    },
  }
}
