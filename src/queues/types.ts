/** The words of the rules by which work is let in. */
import type { Partition } from '../platform/queue/queue.ts'
import type { Rate } from '../platform/queue/window.ts'

/** What a rule is for; '' stands for all. */
export interface RulePlace {
  /** '' for the partition as a whole, whoever's work it is. */
  readonly tenantId: string
  readonly partition: Partition | ''
  /** Tasks with this limit key; `*` for each key without a rule of its own; '' for all work of the tenant. */
  readonly key: string
}

/** A tenant lifts its own pause, never the operator's. */
export interface Pauses {
  readonly byTenant: boolean
  readonly byOperator: boolean
}

export interface RuleSettings {
  readonly paused: Pauses
  /** The most that may be under way, in each partition for itself. */
  readonly concurrency: number | null
  readonly rate: Rate | null
  /** The tenant's part beside others. */
  readonly weight: number | null
}

export interface QueueRule extends RulePlace, RuleSettings {
  readonly updatedAtMs: number
}

const NOT_PAUSED: Pauses = { byTenant: false, byOperator: false }
export const NO_SETTINGS: RuleSettings = { paused: NOT_PAUSED, concurrency: null, rate: null, weight: null }

export const isPause = ({ byTenant, byOperator }: Pauses): boolean => byTenant || byOperator

/** Says nothing, so that it need not be kept. */
export const isEmpty = ({ paused, concurrency, rate, weight }: RuleSettings): boolean =>
  !isPause(paused) && concurrency === null && rate === null && weight === null

export const nameOf = ({ tenantId, partition, key }: RulePlace): string => `${tenantId}/${partition}/${key}`
