/** A BullMQ worker that is patient with Redis, and whose number of places can change while it works. */
import { setTimeout as delay } from 'node:timers/promises'
import { type BackendFactory, type Job as BullJob, QueueKeys, RedisConnection, RedisQueueBackend, Worker } from 'bullmq'
import type { Clock } from '../clock.ts'
import type { RedisClient } from '../redis/connection.ts'

/** What a job's hash holds of it; the names are short because every waiting job carries them. */
export interface JobData {
  readonly id: string
  /** Tenant. */
  readonly t: string
  /** Priority by the port. */
  readonly p: number
  readonly rank?: number
  readonly replyTo?: string
  /** Until when it is delayed, in milliseconds since the epoch. */
  readonly due?: number
}

export interface PlacedWorkerOptions {
  readonly name: string
  readonly prefix: string
  /** For commands; shared with other workers and left open. */
  readonly shared: RedisClient
  /** To wait on; this worker's own. */
  readonly blocking: RedisClient
  readonly clock: Clock
  readonly places: number
  readonly lockMs: number
  handle(data: JobData): Promise<void>
}

/** Of each queue the newest ended jobs are kept, for whoever looks into Redis; the history is in the database. */
const KEEP_COMPLETED = { count: 1000, age: 24 * 3600 }
const KEEP_FAILED = { count: 5000, age: 7 * 24 * 3600 }

/** How long an idle worker waits at Redis for a job before it asks again: longer costs less, and finds a dead connection later. */
const BLOCK_S = 10
/** BullMQ itself gives up a wait after a second more than it should last, and opens the connection again. */
const STUCK_MS = 2 * BLOCK_S * 1000
/** Between two tries while Redis is away or refuses. */
const RETRY_MS = 500
/** A fetch that takes longer means that Redis does not answer. */
const FETCH_LIMIT_MS = 3000

/** How often jobs of dead processes are looked for: often enough that one is given again within `lockMs` + 5 s. */
export const stalledIntervalMs = (lockMs: number): number => Math.min(2000, Math.ceil(lockMs / 2))

/**
 * BullMQ asks Redis for its version first, and a worker whose question fails is dead for good: so nothing is asked, and what
 * every Redis since 6.0 can do is taken for granted.
 */
const connectionOver = (client: RedisClient, use: { shared: boolean; blocking: boolean }): RedisConnection => {
  const connection = new RedisConnection(client, { ...use, skipVersionCheck: true })
  connection.client.then(
    () => {
      connection.capabilities = { canDoubleTimeout: true, canBlockFor1Ms: false }
    },
    // The client was ended before it was ever connected.
    () => {},
  )
  return connection
}

/** BullMQ would copy the shared client's options for the connection to wait on; the two need different ones. */
const backendOf =
  (prefix: string, shared: RedisClient, blocking: RedisClient): BackendFactory<RedisQueueBackend> =>
  (name, options) => {
    const keys = new QueueKeys(prefix)
    return new RedisQueueBackend(
      connectionOver(shared, { shared: true, blocking: false }),
      name,
      keys.getKeys(name),
      (type) => keys.toKey(name, type),
      options,
      connectionOver(blocking, { shared: false, blocking: true }),
    )
  }

export class PlacedWorker extends Worker<JobData, void, string> {
  private readonly clock: Clock
  private readonly redis: RedisClient
  private fetchingSinceMs: number | undefined
  private lastFetchMs: number
  private lastFetchFailed = false

  constructor({ name, prefix, shared, blocking, clock, places, lockMs, handle }: PlacedWorkerOptions) {
    const settings = {
      prefix,
      connection: shared,
      concurrency: places,
      lockDuration: lockMs,
      stalledInterval: stalledIntervalMs(lockMs),
      // The database counts lost attempts and decides what is poison.
      maxStalledCount: 1_000_000,
      // Looked for by checkStalled(), which costs less while nothing runs.
      skipStalledCheck: true,
      drainDelay: BLOCK_S,
      runRetryDelay: RETRY_MS,
      removeOnComplete: KEEP_COMPLETED,
      removeOnFail: KEEP_FAILED,
      autorun: false,
    }
    super(
      name,
      (job: BullJob<JobData, void, string>) => handle(job.data),
      settings,
      backendOf(prefix, shared, blocking),
    )
    this.clock = clock
    this.redis = shared
    this.lastFetchMs = clock.now()
  }

  /**
   * Its loop has not asked for a job for longer than it ever waits, so it never will: a command on the connection to wait on was lost
   * in a failover. `mayWait`: there is a reason not to ask, and the time counts from now on.
   */
  isStuck(mayWait: boolean): boolean {
    if (mayWait) this.lastFetchMs = this.clock.now()
    return this.clock.now() - this.lastFetchMs > STUCK_MS
  }

  /** Whether Redis has answered the last fetch, or does so in time. */
  get isFetching(): boolean {
    if (!this.isRunning() || this.isPaused() || this.lastFetchFailed) return false
    return this.fetchingSinceMs === undefined || this.clock.now() - this.fetchingSinceMs < FETCH_LIMIT_MS
  }

  /** Also wakes the loop, which else looks again only when one of its jobs ends. */
  set places(places: number) {
    const grows = places > this.concurrency
    this.concurrency = places
    if (grows)
      (this as unknown as { mainLoopQueue?: { add(item: Promise<void>): void } }).mainLoopQueue?.add(Promise.resolve())
  }

  /** Without Redis for good, `close()` waits in vain: nothing keeps the process alive any more. */
  abandon(): void {
    void this.lockManager.close()
  }

  /** Gives jobs whose lock has run out back to the queue. With nothing running it is a single cheap command. */
  async checkStalled(): Promise<void> {
    const active = await this.redis.llen(this.toKey('active'))
    if (active > 0) await this.backend.moveStalledJobsToWait()
  }

  protected override async moveToActive(token: string, name?: string) {
    this.lastFetchMs = this.clock.now()
    if (this.isPaused()) {
      // The wake-up that brought us here was taken from the queue: it is for the others.
      await this.redis.zadd(this.toKey('marker'), 0, '0')
      return undefined as never
    }
    this.fetchingSinceMs = this.clock.now()
    try {
      const job = await super.moveToActive(token, name)
      this.lastFetchFailed = false
      return job
    } catch (error) {
      this.lastFetchFailed = true
      // The wake-up that led here is used up: without this BullMQ would wait for another, with the job lying there.
      ;(this as unknown as { drained: boolean }).drained = false
      // BullMQ asks again at once after an answer that is an error.
      if (!this.closing) await delay(RETRY_MS)
      throw error
    } finally {
      this.fetchingSinceMs = undefined
    }
  }
}
