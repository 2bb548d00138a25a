/**
 * `aidos:{dlq}`: a job for each dead letter, for whoever listens to Redis rather than to the API. A copy of what the database
 * holds, bounded to the newest; that a letter is missing here means nothing.
 */
import { Queue as BullQueue } from 'bullmq'
import type { RedisConnection } from '../redis/connection.ts'

export interface DeadLetterJob {
  readonly id: string
  readonly tenantId: string
  readonly taskId: string
  readonly kind: string
  readonly reason: string
}

export interface DeadLetterQueue {
  /** Adding a letter again does no harm. Rejects while Redis is away. */
  add(letters: readonly DeadLetterJob[]): Promise<void>
  /** Takes out letters that were redriven or discarded; unknown ones do no harm. */
  remove(ids: readonly string[]): Promise<void>
  /** Of those that are here. */
  ids(): Promise<string[]>
  stop(): Promise<void>
}

export interface DeadLetterQueueOptions {
  readonly redis: RedisConnection
  readonly prefix?: string
  /** The most letters that are kept; the oldest go first. */
  readonly max?: number
}

/** A reason can be a whole stack; here a glance is enough. */
const REASON_MAX = 1000

export const makeDeadLetterQueue = (options: DeadLetterQueueOptions): DeadLetterQueue => {
  const { redis, prefix = 'aidos', max = 5000 } = options
  let made: BullQueue<DeadLetterJob> | undefined
  const open = (): BullQueue<DeadLetterJob> => {
    if (!redis.isReady()) throw new Error('Redis, which holds the copies of dead letters, cannot be reached')
    if (!made) {
      made = new BullQueue<DeadLetterJob>('{dlq}', {
        ...{ connection: redis.client, prefix, skipVersionCheck: true },
        streams: { events: { maxLen: 100 } },
      })
      // The calls reject by themselves.
      made.on('error', () => {})
    }
    return made
  }

  const trim = async (queue: BullQueue<DeadLetterJob>): Promise<void> => {
    const tooMany = (await queue.getWaitingCount()) - max
    if (tooMany <= 0) return
    // New letters come in at the head.
    const oldest = await redis.client.lrange(queue.toKey('wait'), -tooMany, -1)
    await Promise.all(oldest.map((id) => queue.remove(id)))
  }

  return {
    async add(letters) {
      if (letters.length === 0) return
      const queue = open()
      const jobs = letters.slice(-max).map((letter) => ({
        name: letter.kind,
        data: { ...letter, reason: letter.reason.slice(0, REASON_MAX) },
        opts: { jobId: letter.id },
      }))
      for (let from = 0; from < jobs.length; from += 500) await queue.addBulk(jobs.slice(from, from + 500))
      await trim(queue)
    },
    async remove(ids) {
      const queue = open()
      await Promise.all(ids.map((id) => queue.remove(id)))
    },
    ids: async () => redis.client.lrange(open().toKey('wait'), 0, -1),
    async stop() {
      await made?.close()
    },
  }
}
