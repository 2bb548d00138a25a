/** The words of retention. */

export const KINDS = [
  'runs',
  'tasks',
  'deliveries',
  'inbox',
  'events',
  'audit',
  'usage',
  'answers',
  'sessions',
] as const
/**
 * What leaves. `runs` and `tasks` go with all that belongs to them, `tasks` are those without a run, `inbox` are its items,
 * `events` are those of no run and no task, `audit` are entries of the audit log, `answers` are those kept for a repeated request.
 */
export type Kind = (typeof KINDS)[number]

/** Where a page of rows ended, in the order of their times. */
export interface Place {
  readonly atMs: number
  readonly id: string | number
}

export interface Page<Id extends string | number = string> {
  readonly ids: readonly Id[]
  /** Undefined on the last one. */
  readonly next: Place | undefined
}

/** What may leave. */
export interface Bounds {
  /** What ended then or before. */
  readonly untilMs: number
  /** Every reader of the event log has read up to here; events after it stay, and so does what they belong to. */
  readonly readUpTo: number
}

/** Removes what is due, one transaction after the other; after each it says how many rows went, so that others have their turn. */
export type Removal = AsyncGenerator<number, void>
