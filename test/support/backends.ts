/**
 * What the engine runs on, each fresh: SQLite with the queue in memory, PostgreSQL alone, PostgreSQL with Redis, with a Redis Cluster.
 * The suites of the engine and of tasks run on all of them, unchanged; `npm test` takes the first and the third, `npm run test:backends` all.
 */
import { type Bus, makeLocalBus } from '../../src/platform/bus/bus.ts'
import { makeRedisWire } from '../../src/platform/bus/redis-wire.ts'
import { makeWireBus } from '../../src/platform/bus/wire-bus.ts'
import { systemClock } from '../../src/platform/clock.ts'
import type { Database } from '../../src/platform/db/database.ts'
import type { RelayedHub } from '../../src/platform/events/hub.ts'
import { relayEvents } from '../../src/platform/events/relay.ts'
import { makeBullmqQueue } from '../../src/platform/queue/bullmq-queue.ts'
import { makeLocalQueue } from '../../src/platform/queue/local-queue.ts'
import { makeLocalWindow } from '../../src/platform/queue/local-window.ts'
import type { Queue } from '../../src/platform/queue/queue.ts'
import { makeRedisWindow } from '../../src/platform/queue/redis-window.ts'
import type { Window } from '../../src/platform/queue/window.ts'
import { makeRedis, type RedisTarget } from '../../src/platform/redis/connection.ts'
import { DATABASES, type DatabaseKind, type TestDatabase } from './databases.ts'
import { randomPrefix, testRedisClusterTarget, testRedisTarget } from './redis.ts'

/** Carried by the database of a backend with Redis, also by copies of it: engines over it meet there. */
const REDIS = Symbol('redis')

interface Meeting {
  readonly target: RedisTarget
  readonly prefix: string
  readonly hub: RelayedHub
}

export interface Backend {
  readonly name: string
  open(): Promise<TestDatabase>
}

const [sqlite, postgres] = DATABASES as [DatabaseKind, DatabaseKind]

const withRedis = (name: string, target: () => RedisTarget): Backend => ({
  name,
  async open() {
    const { db, hub } = await postgres.open()
    const meeting: Meeting = { target: target(), prefix: randomPrefix(), hub }
    return { db: Object.assign(db, { [REDIS]: meeting }), hub }
  },
})

export const BACKENDS: readonly Backend[] = [
  sqlite,
  withRedis('PostgreSQL and Redis', testRedisTarget),
  ...(process.env.AIDOS_TEST_BACKENDS === 'all'
    ? [postgres, withRedis('PostgreSQL and Redis Cluster', testRedisClusterTarget)]
    : []),
]

export interface TestShared {
  readonly queue: Queue
  readonly window: Window
  readonly bus: Bus
  /** Lets go without a word, as a killed process does. */
  cut(): void
  stop(): Promise<void>
}

/** Short, so that work of a killed engine is given again while a test waits. */
const LOCK_MS = 1000

/** The queue, the window and the bus of one engine. */
export const openTestShared = async (
  db: Database,
  options: { readonly workerId: string; readonly windowSize: number; onError(error: unknown): void },
): Promise<TestShared> => {
  const { workerId, windowSize, onError } = options
  const clock = systemClock
  const meeting = (db as Database & { readonly [REDIS]?: Meeting })[REDIS]
  if (!meeting) {
    const queue = makeLocalQueue({ clock, onError })
    const window = makeLocalWindow({ clock, windowSize })
    return { queue, window, bus: makeLocalBus(), cut: () => {}, stop: () => queue.stop() }
  }
  const { target, prefix, hub } = meeting
  const redis = makeRedis({ ...target, log: { warn: () => {}, info: () => {} } })
  await redis.ready()
  const queue = makeBullmqQueue({ redis, prefix, lockMs: LOCK_MS, onError, log: { warn: () => {} } })
  const bus = makeWireBus({ wire: makeRedisWire(redis), id: workerId, clock, prefix, onError })
  relayEvents(hub, bus)
  return {
    queue,
    window: makeRedisWindow({ redis, prefix, windowSize, workerId }),
    bus,
    cut() {
      // Attempts under way never end: their jobs are given again when the locks run out.
      void queue.stop()
      void bus.stop()
      void redis.stop()
    },
    async stop() {
      await queue.stop()
      await bus.stop()
      await redis.stop()
    },
  }
}
