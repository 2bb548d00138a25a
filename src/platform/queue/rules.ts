/** What holds for the jobs of a partition, a tenant or a key: pauses, limits and weights. Known in memory, so that asking costs nothing. */
import type { Job, Partition } from './queue.ts'
import type { Entrant } from './window.ts'

export interface QueueRules {
  /** What a job asks of the window; undefined: its partition or tenant is paused. */
  entrant(job: Job): Entrant | undefined
  isPaused(partition: Partition, tenantId: string): boolean
  /** Nothing holds for it: it may start with its birth. */
  isFree(partition: Partition, tenantId: string, key?: string): boolean
  weightOf(tenantId: string): number
  /** The most jobs of a tenant that may be under way. */
  mostOf(partition: Partition, tenantId: string): number
  /** Something was lifted or set. */
  onChange(listener: () => void): void
}

/** Where nothing is limited and nobody paused. */
export const noRules: QueueRules = {
  entrant: ({ id, tenantId, key }) => ({ id, tenantId, ...(key ? { key } : {}), weight: 1, limits: {}, keyLimits: {} }),
  isPaused: () => false,
  isFree: () => true,
  weightOf: () => 1,
  mostOf: () => Number.POSITIVE_INFINITY,
  onChange: () => {},
}
