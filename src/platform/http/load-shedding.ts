/**
 * Refuses requests before the process chokes on them: 503 with Retry-After, in microseconds, while the event loop lags, too many
 * requests are under way or the memory is nearly used up. Health routes are always answered.
 */
import { performance } from 'node:perf_hooks'
import { getHeapStatistics } from 'node:v8'
import type { FastifyInstance } from 'fastify'
import { defineErrors } from '../errors.ts'
import { whenOver } from './request-end.ts'

const loadErrors = defineErrors({ overloaded: { status: 503, retryable: true } })

export interface LoadLimits {
  /** Requests under way in this process; 0: no limit. */
  readonly requests: number
  /** Lag of the event loop in milliseconds; 0: no limit. */
  readonly lagMs: number
  /** Share of the heap's limit in percent; 0: no limit. */
  readonly memoryPercent: number
}

/** What is measured, so that tests can set it. */
export interface LoadProbe {
  /** A rising clock in milliseconds. */
  now(): number
  after(delayMs: number, fn: () => void): void
  /** Of the heap's limit, in percent. */
  memoryPercent(): number
}

const systemProbe: LoadProbe = {
  now: () => performance.now(),
  after: (delayMs, fn) => void setTimeout(fn, delayMs).unref(),
  memoryPercent() {
    const { used_heap_size: used, heap_size_limit: limit } = getHeapStatistics()
    return (used / limit) * 100
  },
}

export interface LoadWatch {
  /** Why a request must be refused now; undefined when it may come in. */
  reason(): string | undefined
  /** A request comes in; the function is called when it is over. */
  enter(): () => void
  readonly underWay: number
  readonly shed: number
}

const SAMPLE_MS = 100
const RETRY_AFTER_MS = 1000

export const makeLoadWatch = (limits: LoadLimits, probe: LoadProbe = systemProbe): LoadWatch => {
  let underWay = 0
  let shed = 0
  let lagMs = 0
  let memoryPercent = 0
  let isSampling = false
  let asked = false

  /** Samples only while requests come: an idle process measures nothing. */
  const sample = (): void => {
    isSampling = true
    asked = false
    const dueMs = probe.now() + SAMPLE_MS
    probe.after(SAMPLE_MS, () => {
      lagMs = Math.max(0, probe.now() - dueMs)
      memoryPercent = limits.memoryPercent > 0 ? probe.memoryPercent() : 0
      if (asked || underWay > 0) return sample()
      isSampling = false
      lagMs = 0
    })
  }

  const over = (): string | undefined => {
    if (limits.requests > 0 && underWay >= limits.requests) return `${underWay} requests are under way`
    if (limits.lagMs > 0 && lagMs > limits.lagMs) return `the process lags by ${Math.round(lagMs)} ms`
    if (limits.memoryPercent > 0 && memoryPercent > limits.memoryPercent) return 'the memory is nearly used up'
    return undefined
  }

  return {
    reason() {
      asked = true
      if (!isSampling) sample()
      const why = over()
      if (why !== undefined) shed++
      return why
    },
    enter() {
      underWay++
      let isOver = false
      return () => {
        if (isOver) return
        isOver = true
        underWay--
      }
    },
    get underWay() {
      return underWay
    },
    get shed() {
      return shed
    },
  }
}

const HEALTH_ROUTES: ReadonlySet<string | undefined> = new Set(['/healthz', '/readyz', '/metrics'])

export const addLoadShedding = (server: FastifyInstance, watch: LoadWatch): void => {
  server.addHook('onRequest', (request, reply, done) => {
    if (HEALTH_ROUTES.has(request.routeOptions.url)) return done()
    const why = watch.reason()
    if (why !== undefined) {
      return done(
        loadErrors.overloaded(`too much to do at the moment: ${why}; try again shortly`, {
          retryAfterMs: RETRY_AFTER_MS,
        }),
      )
    }
    // Also when the caller goes away, or the answer is a stream: `onResponse` would miss those.
    whenOver(reply.raw, watch.enter())
    done()
  })
}
