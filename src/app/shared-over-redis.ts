/** What the processes of a cluster share, over Redis: queue, window and bus. Loaded by those alone that have a Redis. */
import type { FastifyBaseLogger } from 'fastify'
import type { Config } from '../config.ts'
import { makeRedisWire } from '../platform/bus/redis-wire.ts'
import { makeWireBus } from '../platform/bus/wire-bus.ts'
import { systemClock } from '../platform/clock.ts'
import { AppError } from '../platform/errors.ts'
import { makeDeadLetterQueue } from '../platform/queue/bullmq-dead-letters.ts'
import { makeBullmqQueue } from '../platform/queue/bullmq-queue.ts'
import type { Job } from '../platform/queue/queue.ts'
import { makeRedisWindow } from '../platform/queue/redis-window.ts'
import { makeRedis, type RedisTarget } from '../platform/redis/connection.ts'
import type { Shared } from './shared-parts.ts'
import { type Patience, waitFor } from './wait-for.ts'

const PREFIX = 'aidos'

const targetOf = (config: Config, mode: RedisTarget['mode']): RedisTarget => ({
  mode,
  host: config.REDIS_HOST,
  port: config.REDIS_PORT,
  nodes: config.REDIS_CLUSTER_NODES,
  sentinels: config.REDIS_SENTINELS,
  sentinelName: config.REDIS_SENTINEL_NAME,
  username: config.REDIS_USERNAME,
  password: config.REDIS_PASSWORD,
  tls: config.REDIS_TLS,
  tlsCaFile: config.REDIS_TLS_CA,
})

const READY_MS = 1000

const whereOf = ({ mode, host, port, nodes = [], sentinels = [] }: RedisTarget): string => {
  if (mode === 'single') return `${host}:${port}`
  const list = (mode === 'cluster' ? nodes : sentinels).map((node) => `${node.host}:${node.port}`).join(', ')
  return mode === 'cluster' ? list : `the sentinels ${list}`
}

/** Resolves once Redis is there, however long that takes. */
export const openSharedOverRedis = async (
  config: Config,
  mode: RedisTarget['mode'],
  log: FastifyBaseLogger,
  workerId: string,
  patience: Patience,
): Promise<Shared> => {
  const clock = systemClock
  const onError = (error: unknown, job: Job): void => log.error({ err: error, job }, 'a job broke')
  const target = targetOf(config, mode)
  const redis = makeRedis({ ...target, log, clock })
  try {
    const attempt = (signal?: AbortSignal): Promise<void> => redis.ready(READY_MS, signal)
    const isAway = (error: unknown): boolean => !(error instanceof AppError)
    await waitFor({ what: 'Redis', where: whereOf(target), attempt, isAway }, patience)
    await redis.check()
  } catch (error) {
    await redis.stop()
    throw error
  }
  const queue = makeBullmqQueue({
    redis,
    prefix: PREFIX,
    splits: config.QUEUE_SPLITS,
    lockMs: config.LEASE_MS,
    onError,
    log,
  })
  const bus = makeWireBus({
    wire: makeRedisWire(redis),
    id: workerId,
    clock,
    prefix: PREFIX,
    onError: (error) => log.warn({ err: error }, 'a message to other processes was lost'),
  })
  const deadLetterCopies = makeDeadLetterQueue({ redis, prefix: PREFIX })
  return {
    deadLetterCopies,
    queue,
    window: makeRedisWindow({ redis, prefix: PREFIX, windowSize: config.QUEUE_WINDOW, workerId }),
    bus,
    redis,
    async stop() {
      await deadLetterCopies.stop()
      await queue.stop()
      await bus.stop()
      await redis.stop()
    },
  }
}
