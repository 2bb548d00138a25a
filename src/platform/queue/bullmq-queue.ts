/**
 * The queue in Redis, by BullMQ: for several processes, on one server, behind Sentinel or on a Cluster. Keys are
 * `aidos:{tasks}:…`; a partition may be split over several queues (`{tasks.K}`), which then keep their order each for itself.
 *
 * A job is tried once here: the database counts attempts and decides on the next (the default of a task is three, with
 * exponential back-off from one second). Ended jobs stay for a while, so a job has a number of its own in BullMQ, and its id in
 * the port's sense is BullMQ's deduplication id, which is free again once the job has ended or was removed.
 */
import { Queue as BullQueue, type JobsOptions } from 'bullmq'
import { type Clock, systemClock } from '../clock.ts'
import { defineErrors } from '../errors.ts'
import type { Log } from '../log.ts'
import type { RedisClient, RedisConnection } from '../redis/connection.ts'
import { makeBullmqConsumer } from './bullmq-consumer.ts'
import { queueNames, splitOf } from './bullmq-splits.ts'
import type { JobData } from './bullmq-worker.ts'
import { AGED_MAX, type Consumer, type Job, type Partition, type Queue } from './queue.ts'

export interface BullmqQueueOptions {
  readonly redis: RedisConnection
  /** Before every key. */
  readonly prefix?: string
  /** Queues per partition: on a Cluster the number of its masters. All processes must say the same. */
  readonly splits?: number
  readonly clock?: Clock
  /** How long a process that does not answer keeps its jobs. */
  readonly lockMs: number
  /** Told when a handler rejects. */
  readonly onError: (error: unknown, job: Job) => void
  readonly log: Pick<Log, 'warn'>
}

const queueErrors = defineErrors({ queue_away: { status: 503, retryable: true } })

/** The highest rank within a priority. */
const RANK_MAX = 1023
/** BullMQ writes a stream of what happens to each job; nobody here reads it, so it is kept short. */
const EVENTS_MAX = 100
/** Jobs in one call to Redis. */
const BATCH = 500
const LOG_EVERY_MS = 10_000

/** BullMQ does the lowest number first. */
const bullPriority = ({ priority, rank = 0 }: Job): number =>
  (priority - 1) * (RANK_MAX + 1) + Math.min(Math.max(Math.trunc(rank), 0), RANK_MAX) + 1

const dataOf = (job: Job, nowMs: number): JobData => ({
  id: job.id,
  t: job.tenantId,
  p: job.priority,
  ...(job.rank === undefined ? {} : { rank: job.rank }),
  ...(job.replyTo === undefined ? {} : { replyTo: job.replyTo }),
  ...(job.delayMs && job.delayMs > 0 ? { due: nowMs + job.delayMs } : {}),
})

const optionsOf = (job: Job): JobsOptions => ({
  priority: bullPriority(job),
  deduplication: { id: job.id },
  ...(job.delayMs && job.delayMs > 0 ? { delay: job.delayMs } : {}),
})

interface PendingAdd {
  readonly jobs: readonly Job[]
  resolve(): void
  reject(error: unknown): void
}

export const makeBullmqQueue = (options: BullmqQueueOptions): Queue => {
  const { redis, prefix = 'aidos', splits = 1, clock = systemClock, lockMs, onError, log } = options
  const partitions = new Map<Partition, BullQueue<JobData>[]>()
  const consumers = new Set<Consumer>()
  let workerClient: RedisClient | undefined
  let pending: PendingAdd[] = []
  let stopped = false

  let lastLogMs = Number.NEGATIVE_INFINITY
  let unsaid = 0
  /** An outage makes every worker complain at every try: one line tells of them. */
  const onTrouble = (error: Error): void => {
    // That Redis as a whole is away, its connection has said already.
    if (stopped || !redis.isReady()) return
    unsaid++
    if (clock.now() - lastLogMs < LOG_EVERY_MS) return
    log.warn({ err: error, times: unsaid }, 'the queue in Redis has trouble; it goes on by itself')
    lastLogMs = clock.now()
    unsaid = 0
  }

  const queuesOf = (partition: Partition): BullQueue<JobData>[] => {
    const known = partitions.get(partition)
    if (known) return known
    const made = queueNames(partition, splits).map((name) => {
      const streams = { events: { maxLen: EVENTS_MAX } }
      const queue = new BullQueue<JobData>(name, { connection: redis.client, prefix, streams, skipVersionCheck: true })
      queue.on('error', onTrouble)
      return queue
    })
    partitions.set(partition, made)
    return made
  }

  const queueOf = (partition: Partition, id: string): BullQueue<JobData> => queuesOf(partition)[splitOf(id, splits)]!

  /** BullMQ waits for a connection for as long as it takes: whoever hands in work is told at once instead. */
  const away = (cause?: unknown): Error =>
    queueErrors.queue_away('Redis, which carries the queue, cannot be reached', { cause })
  const assertReady = (): void => {
    if (!redis.isReady()) throw away()
  }

  const addTo = async (queue: BullQueue<JobData>, jobs: readonly Job[]): Promise<void> => {
    const nowMs = clock.now()
    for (let from = 0; from < jobs.length; from += BATCH) {
      const batch = jobs.slice(from, from + BATCH)
      await queue.addBulk(batch.map((job) => ({ name: 'job', data: dataOf(job, nowMs), opts: optionsOf(job) })))
    }
  }

  /** What was added in one tick goes to Redis together, in one call per queue. */
  const flush = (): void => {
    const adds = pending
    pending = []
    const byQueue = new Map<BullQueue<JobData>, Job[]>()
    const needs = adds.map(({ jobs }) => {
      const queues = new Set<BullQueue<JobData>>()
      for (const job of jobs) {
        const queue = queueOf(job.partition, job.id)
        const group = byQueue.get(queue) ?? []
        byQueue.set(queue, group)
        group.push(job)
        queues.add(queue)
      }
      return queues
    })
    const calls = new Map([...byQueue].map(([queue, jobs]) => [queue, addTo(queue, jobs)]))
    for (const [i, { resolve, reject }] of adds.entries()) {
      // A command that was under way when the connection broke fails in words of the client's own.
      Promise.all([...needs[i]!].map((queue) => calls.get(queue))).then(resolve, (error) =>
        reject(redis.isReady() ? error : away(error)),
      )
    }
  }

  const ageOne = async (queue: BullQueue<JobData>, beforeMs: number, limit: number): Promise<number> => {
    // Job numbers grow, so the lowest are the oldest. Those at the front already have the lowest score there is.
    const waiting = await redis.client.zrangebyscore(queue.toKey('prioritized'), `(${FRONT_SCORE}`, '+inf')
    const oldest = waiting.toSorted((a, b) => Number(a) - Number(b)).slice(0, limit)
    const fields = await Promise.all(oldest.map((id) => redis.client.hmget(queue.toKey(id), 'timestamp', 'data')))
    const old = oldest.filter((_, i) => {
      const [timestamp, data] = fields[i]!
      return data && ((JSON.parse(data) as JobData).due ?? Number(timestamp)) < beforeMs
    })
    await Promise.all(old.map((id) => queue.getBackend().changePriority(id, FRONT_PRIORITY, true)))
    return old.length
  }

  return {
    async add(jobs) {
      if (jobs.length === 0) return
      assertReady()
      if (pending.length === 0) queueMicrotask(flush)
      await new Promise<void>((resolve, reject) => pending.push({ jobs, resolve, reject }))
    },
    async remove(partition, id) {
      assertReady()
      const queue = queueOf(partition, id)
      const number = await queue.getDeduplicationJobId(id)
      return number !== null && (await queue.remove(number)) === 1
    },
    async release(partition, ids) {
      assertReady()
      // The job of the dead ends later, when its lock has run out and somebody finds nothing left to do.
      await Promise.all(ids.map((id) => queueOf(partition, id).removeDeduplicationKey(id)))
    },
    consume(consume) {
      workerClient ??= redis.duplicate('worker')
      const shared = workerClient
      const made = makeBullmqConsumer({
        ...{ redis, shared, prefix, splits, lockMs, clock, consume, onError, onTrouble },
      })
      consumers.add(made)
      return {
        ...made,
        async stop() {
          await made.stop()
          consumers.delete(made)
        },
      }
    },
    async counts(partition) {
      assertReady()
      const states = ['wait', 'prioritized', 'delayed', 'active'] as const
      const all = await Promise.all(queuesOf(partition).map((queue) => queue.getJobCounts(...states)))
      const sum = (...of: readonly string[]): number =>
        all.reduce((total, counts) => total + of.reduce((n, state) => n + (counts[state] ?? 0), 0), 0)
      return { waiting: sum('wait', 'prioritized'), delayed: sum('delayed'), active: sum('active') }
    },
    async age(partition, olderThanMs) {
      assertReady()
      const beforeMs = clock.now() - olderThanMs
      const limit = Math.ceil(AGED_MAX / splits)
      const moved = await Promise.all(queuesOf(partition).map((queue) => ageOne(queue, beforeMs, limit)))
      return moved.reduce((a, b) => a + b, 0)
    },
    async stop() {
      stopped = true
      await Promise.all([...consumers].map((consumer) => consumer.stop()))
      await Promise.all([...partitions.values()].flat().map((queue) => queue.close().catch(() => {})))
      workerClient?.disconnect()
    },
  }
}

/** A job "at the front" of the first priority has the lowest score that BullMQ gives. */
const FRONT_PRIORITY = 1
const FRONT_SCORE = FRONT_PRIORITY * 2 ** 32
