/** A consumer over BullMQ: one worker per queue of the partition, which share its places. */

import { type Clock, waitAtMost } from '../clock.ts'
import type { RedisClient, RedisConnection } from '../redis/connection.ts'
import { queueNames, shareOut } from './bullmq-splits.ts'
import { type JobData, PlacedWorker, stalledIntervalMs } from './bullmq-worker.ts'
import type { ConsumeOptions, Consumer, Job, Priority } from './queue.ts'

export interface BullmqConsumerOptions {
  readonly redis: RedisConnection
  /** For the commands of all workers of the process; each worker has a connection of its own to wait on besides. */
  readonly shared: RedisClient
  readonly prefix: string
  readonly splits: number
  readonly lockMs: number
  readonly clock: Clock
  readonly consume: ConsumeOptions
  onError(error: unknown, job: Job): void
  /** Told of what goes wrong between the workers and Redis. */
  onTrouble(error: Error): void
}

/** How long the end waits for Redis, once the last job has been handled. */
const STOP_MS = 3000
/** A look at the workers that comes later than this. */
const STILL_MS = 1000

const jobFrom = ({ partition }: ConsumeOptions, { id, t, p, rank, replyTo }: JobData): Job => ({
  id,
  partition,
  tenantId: t,
  priority: p as Priority,
  ...(rank === undefined ? {} : { rank }),
  ...(replyTo === undefined ? {} : { replyTo }),
})

/** One queue of the partition. */
interface Split {
  readonly name: string
  readonly worker: PlacedWorker
  /** The connection that the worker waits on. */
  readonly waiting: RedisClient
  /** Jobs that it does at this moment. */
  active: number
}

export const makeBullmqConsumer = (options: BullmqConsumerOptions): Consumer => {
  const { redis, shared, prefix, splits, lockMs, clock, consume, onError, onTrouble } = options
  let active = 0
  let reserved = 0
  let paused = false
  let stopping: Promise<void> | undefined
  let whenIdle: (() => void)[] = []

  const leave = (): void => {
    active--
    if (active > 0) return
    for (const done of whenIdle) done()
    whenIdle = []
  }

  const handle = async (split: Split, data: JobData): Promise<void> => {
    const job = jobFrom(consume, data)
    active++
    split.active++
    if (active + reserved >= consume.concurrency) consume.onFull?.()
    try {
      await consume.handle(job)
    } catch (error) {
      onError(error, job)
      // The name and text of some errors mean something to BullMQ, and a long one would fill Redis: only that it failed is kept.
      throw new Error('the handler rejected; its error is in the log')
    } finally {
      split.active--
      leave()
    }
  }

  const shares = shareOut(consume.concurrency, splits)
  const open = (name: string, places: number): Split => {
    const waiting = redis.duplicate('blocking', `${prefix}:${name}`)
    const worker: PlacedWorker = new PlacedWorker({
      ...{ name, prefix, shared, blocking: waiting, clock, places, lockMs },
      handle: (data) => handle(split, data),
    })
    const split: Split = { name, worker, waiting, active: 0 }
    // Redis was let go of: that takes the worker with it, also when jobs of it never end. BullMQ ends and opens it again at times.
    waiting.on('end', () => {
      if (redis.isStopped()) worker.abandon()
    })
    worker.on('error', onTrouble)
    worker.run().catch(onTrouble)
    return split
  }
  const workers = queueNames(consume.partition, splits).map((name, i) => open(name, shares[i]!))

  /** Jobs that the old one does go on; only nothing is fetched by it any more. */
  const replace = (i: number): void => {
    const { name, worker, waiting } = workers[i]!
    onTrouble(new Error(`the worker of ${name} had stopped asking for jobs; another takes its place`))
    workers[i] = open(name, worker.concurrency)
    if (paused) void workers[i]!.worker.pause(true)
    waiting.disconnect()
    worker.close(true).catch(onTrouble)
  }

  const intervalMs = stalledIntervalMs(lockMs)
  let lastLookMs = clock.now()
  const replaceStuck = (): void => {
    // This process or Redis stood still: so did the workers.
    const stoodStill = clock.now() - lastLookMs > intervalMs + STILL_MS
    lastLookMs = clock.now()
    for (const [i, { worker, active: busy }] of workers.entries()) {
      if (worker.isStuck(stoodStill || paused || !isConnected() || busy >= worker.concurrency)) replace(i)
    }
  }

  const share = (): void => {
    const now = shareOut(consume.concurrency - reserved, splits)
    for (const [i, { worker }] of workers.entries()) worker.places = now[i]!
  }

  let cancelCheck = (): void => {}
  const checkStalled = async (): Promise<void> => {
    // While Redis is away the command waits, and the next look follows when it is back.
    await Promise.all(workers.map(({ worker }) => worker.checkStalled())).catch(onTrouble)
    if (!stopping) replaceStuck()
    if (!stopping) cancelCheck = clock.after(intervalMs, () => void checkStalled())
  }
  cancelCheck = clock.after(intervalMs, () => void checkStalled())

  const stop = async (): Promise<void> => {
    cancelCheck()
    const closed = Promise.allSettled(workers.map(({ worker }) => worker.close()))
    if (active > 0) await new Promise<void>((resolve) => whenIdle.push(resolve))
    await waitAtMost(clock, STOP_MS, closed)
    // What still waits for an answer of Redis gets none; jobs that it holds as running are given again when their lock runs out.
    for (const { worker, waiting } of workers) {
      worker.abandon()
      waiting.disconnect()
    }
  }

  const isConnected = (): boolean =>
    shared.status === 'ready' && workers.every(({ waiting }) => waiting.status === 'ready')

  return {
    isReady: () => !paused && !stopping && isConnected() && workers.every(({ worker }) => worker.isFetching),
    reserve() {
      const most = Math.floor(consume.concurrency / 2)
      if (paused || stopping || reserved >= most || active + reserved >= consume.concurrency) return undefined
      reserved++
      share()
      let given = false
      return () => {
        if (given) return
        given = true
        reserved--
        share()
      }
    },
    pause() {
      paused = true
      for (const { worker } of workers) void worker.pause(true)
    },
    resume() {
      paused = false
      for (const { worker } of workers) worker.resume()
    },
    stop() {
      stopping ??= stop()
      return stopping
    },
  }
}
