/**
 * The queue port. A queue carries wake-ups: the database holds the truth, so a job that is lost or given twice does no harm,
 * and whoever handles a job asks the database first. Adapters: local (one process) and BullMQ (Redis); the suite in conformance.ts
 * is the contract.
 */

/** 1 is done first. */
export const PRIORITIES = { critical: 1, high: 2, normal: 3, low: 4 } as const
export type PriorityName = keyof typeof PRIORITIES
export type Priority = (typeof PRIORITIES)[PriorityName]

/** A queue for one business type. */
export const PARTITIONS = ['agents', 'workflow', 'scheduler', 'notifications', 'tasks'] as const
export type Partition = (typeof PARTITIONS)[number]

export interface Job {
  /** The id of what is to be woken; a second job with the same id is dropped while the first waits or runs. */
  readonly id: string
  readonly partition: Partition
  readonly tenantId: string
  readonly priority: Priority
  readonly delayMs?: number
  /** Order within a priority, 0 … 1023, lower first; then age. The local queue takes turns between tenants instead. */
  readonly rank?: number
  /** Jobs of a tenant with the same key share the key's limits. Stays with whoever offers the job. */
  readonly key?: string | undefined
  /** Who wants to hear of the end; arrives as it was given. */
  readonly replyTo?: string
}

export interface ConsumeOptions {
  readonly partition: Partition
  /** Jobs handled at a time by this consumer. */
  readonly concurrency: number
  /** A rejection is reported and ends the job: whether it is tried again is decided by the database, not by the queue. */
  handle(job: Job): Promise<void>
  /** Its last place was taken just now: what was reserved and is not used had better come back. */
  onFull?(): void
}

export interface Consumer {
  /** Whether it takes jobs, or would if there were any: connected, and not paused or stopped. */
  isReady(): boolean
  /** Takes one of the consumer's places without a job, if one is free and nobody waits for it. The returned function gives it back. */
  reserve(): (() => void) | undefined
  /** Stops taking jobs; those being handled go on. */
  pause(): void
  resume(): void
  /** Stops taking jobs and waits for those being handled. */
  stop(): Promise<void>
}

export interface JobCounts {
  readonly waiting: number
  readonly delayed: number
  readonly active: number
}

/** The most jobs that one call of `age()` moves. */
export const AGED_MAX = 200

export interface Queue {
  add(jobs: readonly Job[]): Promise<void>
  /** Drops a job that still waits; returns false when it is unknown or being handled. */
  remove(partition: Partition, id: string): Promise<boolean>
  /** Whoever runs these jobs is known to be dead: they may be added again at once, without waiting until the queue finds out. */
  release(partition: Partition, ids: readonly string[]): Promise<void>
  consume(options: ConsumeOptions): Consumer
  counts(partition: Partition): Promise<JobCounts>
  /**
   * Moves to the front, before every priority, the jobs that have waited for longer than that: oldest first, at most `AGED_MAX`
   * a call. Returns how many. Called now and then, so that a flood of urgent work does not hold up the rest for ever.
   */
  age(partition: Partition, olderThanMs: number): Promise<number>
  stop(): Promise<void>
}
