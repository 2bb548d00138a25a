/** What processes share, or a process that is alone has for itself: the queue and the bus. */
import type { FastifyBaseLogger } from 'fastify'
import type { Config } from '../config.ts'
import { makeLocalBus } from '../platform/bus/bus.ts'
import { systemClock } from '../platform/clock.ts'
import { makeLocalQueue } from '../platform/queue/local-queue.ts'
import { makeLocalWindow } from '../platform/queue/local-window.ts'
import type { Job } from '../platform/queue/queue.ts'
import type { RedisTarget } from '../platform/redis/connection.ts'
import type { Shared } from './shared-parts.ts'
import type { Patience } from './wait-for.ts'

/** Resolves once Redis is there, however long that takes. */
export const openShared = async (
  config: Config,
  log: FastifyBaseLogger,
  workerId: string,
  patience: Patience,
): Promise<Shared> => {
  const clock = systemClock
  const onError = (error: unknown, job: Job): void => log.error({ err: error, job }, 'a job broke')
  const mode: RedisTarget['mode'] | 'none' = config.REDIS_MODE
  if (mode === 'none') {
    const queue = makeLocalQueue({ clock, onError })
    const window = makeLocalWindow({ clock, windowSize: config.QUEUE_WINDOW })
    return {
      queue,
      window,
      bus: makeLocalBus(),
      redis: undefined,
      deadLetterCopies: undefined,
      stop: () => queue.stop(),
    }
  }
  const { openSharedOverRedis } = await import('./shared-over-redis.ts')
  return openSharedOverRedis(config, mode, log, workerId, patience)
}
