/** For tests of the queue in Redis: a queue with what it reports, and waiting for it. */
import type { Clock } from '../../src/platform/clock.ts'
import { makeBullmqQueue } from '../../src/platform/queue/bullmq-queue.ts'
import type { Job, Queue } from '../../src/platform/queue/queue.ts'
import { makeRedis, type RedisConnection, type RedisTarget } from '../../src/platform/redis/connection.ts'
import type { Cleanup } from './cleanup.ts'
import { randomPrefix } from './redis.ts'

export interface TestQueue {
  readonly queue: Queue
  readonly redis: RedisConnection
  readonly prefix: string
  /** What handlers were rejected with. */
  readonly errors: unknown[]
}

export interface TestQueueOptions {
  readonly splits?: number
  readonly lockMs?: number
  /** Of the queue; its connections go by the real one. */
  readonly clock?: Clock
  /** The same for several queues that are to share their jobs. */
  readonly prefix?: string
}

/** Cleans up after a test in reverse: what was made first, a server, goes last. Node calls a test's own hooks in order. */
export const inReverse = (t: Cleanup): Cleanup => {
  const cleanups: (() => void | Promise<void>)[] = []
  t.after(async () => {
    for (const clean of cleanups.reverse()) await clean()
  })
  return { after: (fn) => void cleanups.push(fn) }
}

/** A queue over connections of its own, as in a process of its own; stopped when the test ends. */
export const openBullmqQueue = async (
  t: Cleanup,
  target: RedisTarget,
  options: TestQueueOptions = {},
): Promise<TestQueue> => {
  const { splits = 1, lockMs = 15_000, clock, prefix = randomPrefix() } = options
  const errors: unknown[] = []
  const log = { warn: () => {}, info: () => {} }
  const redis = makeRedis({ ...target, log })
  const onError = (error: unknown): void => void errors.push(error)
  const queue = makeBullmqQueue({ redis, prefix, splits, lockMs, onError, log, ...(clock && { clock }) })
  t.after(async () => {
    await queue.stop()
    await redis.stop()
  })
  await redis.ready()
  return { queue, redis, prefix, errors }
}

export const taskOf = (id: string, more: Partial<Job> = {}): Job => ({
  ...{ id, partition: 'tasks', tenantId: 'tenant-a', priority: 3 },
  ...more,
})
