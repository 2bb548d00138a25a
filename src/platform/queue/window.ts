/**
 * The window of a partition: which of its jobs are handed to the queue, and whose they are. It bounds the queue however long the
 * backlog, keeps to the limits of tenants and keys, and gives each job its rank, so that who has least under way goes first. One
 * window serves all processes. It may be lost at any moment: the backlog in the database fills it again.
 */
import type { Partition } from './queue.ts'

/** At most `count` in `periodMs`, evenly spread after a first burst of `count`. */
export interface Rate {
  readonly count: number
  readonly periodMs: number
}

/** How much may be under way; absent: as much as there is room for. */
export interface Limits {
  readonly concurrency?: number | undefined
  readonly rate?: Rate | undefined
}

export interface Entrant {
  readonly id: string
  readonly tenantId: string
  /** Jobs of a tenant with the same key share the key's limits. */
  readonly key?: string | undefined
  /** The tenant's part beside others: 2 gets twice what 1 gets. */
  readonly weight: number
  readonly limits: Limits
  readonly keyLimits: Limits
}

export type Entry =
  /** It has a place; `isNew`: only now. */
  | { readonly rank: number; readonly isNew: boolean }
  /** `full`: the backlog goes first. `limit`: of the tenant or key. `rate`: it may try again at that moment. */
  | { readonly refused: 'full' | 'limit' }
  | { readonly refused: 'rate'; readonly againInMs: number }

export interface Window {
  /** A place for each that fits. `isRefill`: they are the head of the backlog; others stand back while there is one. */
  enter(partition: Partition, entrants: readonly Entrant[], isRefill: boolean): Promise<Entry[]>
  /** Gives places back. True: somebody waits for them, so that a refill is worth while. During one the answer is kept for its end. */
  leave(partition: Partition, ids: readonly string[]): Promise<boolean>
  /** Whether the backlog is to be read now by this process; what it finds goes through `enter`. */
  beginRefill(partition: Partition): Promise<boolean>
  /**
   * `isDrained`: the backlog holds no more, but for what waits at a limit. True: places were given back meanwhile, or another refill was
   * asked for, so that one more is worth while.
   */
  endRefill(partition: Partition, isDrained: boolean): Promise<boolean>
  /** Whose jobs are inside, by id. */
  inside(partition: Partition): Promise<ReadonlyMap<string, Inside>>
  /** How many more would fit, not counting limits. */
  room(partition: Partition): Promise<number>
  /** Says how many jobs a process does at a time; said again from time to time while it lives. */
  setPlaces(partition: Partition, workerId: string, places: number): Promise<void>
}

export interface Inside {
  readonly tenantId: string
  readonly key?: string | undefined
  readonly enteredMs: number
}

/** The part of the window that a tenant gets beyond it when others have filled it. */
export const TENANT_SHARE = 0.1
/** All such parts together end here, in windows: memory stays bounded however many tenants there are. */
export const OVERFLOW = 1
export const RANK_MAX = 1023
/** A process that has not said for so long how much it does counts no more. */
export const PLACES_KEPT_MS = 30_000
export const REFILL_LOCK_MS = 5000
/** Sums of fractions of a millisecond are off by less. */
export const ROUNDING_MS = 0.01

/**
 * What a tenant has under way, in units of its weight, up to its fair part of the places: within that part it goes before those who
 * have more, beyond it all are equal and age decides.
 */
export const rankOf = (underWay: number, weight: number, places: number, tenants: number): number =>
  Math.min(Math.floor(underWay / weight), Math.ceil(places / Math.max(tenants, 1)), RANK_MAX)
