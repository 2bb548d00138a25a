/**
 * Daily quotas, checked before new work is accepted, and before each call of a model. The check looks at a sum that is at most `cacheMs` old, to which this process adds
 * what it counts itself: a quota is exact with one gateway, and with several it can be passed by what the others accept within `cacheMs`.
 * What was accepted goes on, but for calls of models: a run under way can pass its tokens and cost by the calls that are just being made.
 */
import { LRUCache } from 'lru-cache'
import type { Clock } from '../clock.ts'
import { defineErrors } from '../errors.ts'
import type { Scope } from '../scope.ts'
import { dayOf, endOfDayMs, type Metric, type Usage, type UsageMeter } from './usage.ts'

const quotaErrors = defineErrors({ quota_exceeded: { status: 429 } })

export interface QuotasOptions {
  readonly meter: Pick<UsageMeter, 'read' | 'onCounted'>
  readonly clock: Clock
  /** Per day; zero: no limit. */
  limitsOf(tenantId: string): Usage | Promise<Usage>
  /** Whether that key has made its run or task before. Asked only where a quota is used up. */
  isRepeated(work: NewWork & { readonly idempotencyKey: string }): Promise<boolean>
  readonly cacheMs?: number
}

/** What is to be made, and for whom. */
export interface NewWork extends Scope {
  /** `turn`: a call of a model, of a run that is under way. */
  readonly wanted: 'run' | 'task' | 'turn'
  /** Of a start that may be a repetition. */
  readonly idempotencyKey?: string | undefined
}

export interface Quotas {
  /** Throws `quota_exceeded`, naming the quota, what is used and when it is back. A repeated start makes nothing and is let through. */
  check(work: NewWork): Promise<void>
  /** What is used today, as of now. */
  usage(tenantId: string): Promise<Usage>
}

interface Known {
  readonly day: number
  readonly readAtMs: number
  readonly used: Usage
}

/** Which quotas stand in the way of what. */
const ASKED = {
  run: ['runs', 'tokens', 'cost', 'storage'],
  task: ['tasks', 'tokens', 'cost', 'storage'],
  turn: ['tokens', 'cost'],
} as const satisfies Record<string, readonly Metric[]>

export const makeQuotas = ({ meter, clock, limitsOf, isRepeated, cacheMs = 2000 }: QuotasOptions): Quotas => {
  const known = new LRUCache<string, Known>({ max: 10_000 })
  meter.onCounted((tenantId, more) => {
    const entry = known.get(tenantId)
    if (!entry) return
    for (const metric of Object.keys(more) as Metric[]) entry.used[metric] += more[metric]
  })

  const usedBy = async (tenantId: string): Promise<Usage> => {
    const nowMs = clock.now()
    const day = dayOf(nowMs)
    const entry = known.get(tenantId)
    if (entry && entry.day === day && nowMs - entry.readAtMs < cacheMs) return entry.used
    const used = await meter.read(tenantId, day)
    known.set(tenantId, { day, readAtMs: nowMs, used })
    return used
  }

  return {
    async check(work) {
      const { tenantId, wanted, idempotencyKey } = work
      const limits = await limitsOf(tenantId)
      const asked = ASKED[wanted].filter((metric) => limits[metric] > 0)
      if (asked.length === 0) return
      const used = await usedBy(tenantId)
      const over = asked.find((metric) => used[metric] >= limits[metric])
      if (over === undefined) return
      if (idempotencyKey !== undefined && (await isRepeated({ ...work, idempotencyKey }))) return
      const nowMs = clock.now()
      const resetAtMs = endOfDayMs(nowMs)
      throw quotaErrors.quota_exceeded(`the daily quota of ${over} is used up: ${used[over]} of ${limits[over]}`, {
        retryAfterMs: resetAtMs - nowMs,
        details: {
          quota: over,
          used: used[over],
          limit: limits[over],
          reset: new Date(resetAtMs).toISOString(),
        },
      })
    },
    usage: (tenantId) => meter.read(tenantId, dayOf(clock.now())),
  }
}
