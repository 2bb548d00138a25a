/** One process as tasks need it: over SQLite and a queue in memory, or over a PostgreSQL and a Redis that it shares with others. */
import { join } from 'node:path'
import { readConfig } from '../../src/config.ts'
import type { RunInbox } from '../../src/engine/index.ts'
import { migrations } from '../../src/migrations/index.ts'
import { type Bus, makeLocalBus } from '../../src/platform/bus/bus.ts'
import { makeRedisWire } from '../../src/platform/bus/redis-wire.ts'
import { makeWireBus } from '../../src/platform/bus/wire-bus.ts'
import { systemClock as clock } from '../../src/platform/clock.ts'
import type { Database } from '../../src/platform/db/database.ts'
import { migrate } from '../../src/platform/db/migrate.ts'
import { openPostgresDatabase } from '../../src/platform/db/postgres.ts'
import { openSqliteDatabase } from '../../src/platform/db/sqlite.ts'
import { makeEventHub } from '../../src/platform/events/hub.ts'
import { makeIdGenerator } from '../../src/platform/ids.ts'
import { makeLog } from '../../src/platform/log.ts'
import { makeBullmqQueue } from '../../src/platform/queue/bullmq-queue.ts'
import { makeLocalQueue } from '../../src/platform/queue/local-queue.ts'
import { makeLocalWindow } from '../../src/platform/queue/local-window.ts'
import type { Queue } from '../../src/platform/queue/queue.ts'
import { makeRedisWindow } from '../../src/platform/queue/redis-window.ts'
import { noRules } from '../../src/platform/queue/rules.ts'
import type { Window } from '../../src/platform/queue/window.ts'
import { makeRedis } from '../../src/platform/redis/connection.ts'
import { makeTaskService, type TaskHandler, type TaskService } from '../../src/tasks/index.ts'

/** Where it stands; as JSON it is an argument of a program. */
export type Place =
  | { readonly kind: 'embedded'; readonly folder: string }
  | {
      readonly kind: 'shared'
      readonly postgres: {
        readonly host: string
        readonly port: number
        readonly user: string
        readonly password: string
      }
      readonly database: string
      readonly redisPort: number
    }

export interface TaskNode {
  readonly db: Database
  readonly tasks: TaskService
  /** Begins to sweep, as the process that has the duty does. */
  sweep(): Promise<void>
  stop(): Promise<void>
}

const INBOX = { offer: () => false, wake: () => {} } as unknown as RunInbox

const open = async (place: Place, workerId: string) => {
  const hub = makeEventHub()
  const log = makeLog('warn')
  const config = readConfig({})
  const windowSize = config.QUEUE_WINDOW
  const onError = (error: unknown): void => log.error({ err: error }, 'the benchmark broke')
  if (place.kind === 'embedded') {
    const db = openSqliteDatabase({ file: join(place.folder, 'aidos.db'), hub })
    const queue = makeLocalQueue({ clock, onError })
    const window = makeLocalWindow({ clock, windowSize })
    return { db, log, config, queue, window, bus: makeLocalBus(), stop: () => queue.stop() }
  }
  const { host, port, user, password } = place.postgres
  const pool = { poolMin: 5, poolMax: 20 }
  const db = openPostgresDatabase({ host, port, user, password, database: place.database, ...pool, hub, onError })
  const redis = makeRedis({ mode: 'single', host: '127.0.0.1', port: place.redisPort, log })
  await redis.ready()
  const queue: Queue = makeBullmqQueue({ redis, prefix: 'aidos', lockMs: config.LEASE_MS, onError, log })
  const window: Window = makeRedisWindow({ redis, prefix: 'aidos', windowSize, workerId })
  const bus: Bus = makeWireBus({ wire: makeRedisWire(redis), id: workerId, clock, prefix: 'aidos', onError })
  const stop = async (): Promise<void> => {
    await queue.stop()
    await bus.stop()
    await redis.stop()
  }
  return { db, log, config, queue, window, bus, stop }
}

export const startTaskNode = async (
  place: Place,
  handlers: Readonly<Record<string, TaskHandler>>,
): Promise<TaskNode> => {
  const makeId = makeIdGenerator()
  const workerId = makeId()
  const { db, log, config, queue, window, bus, stop } = await open(place, workerId)
  await migrate(db, migrations)
  const tasks = makeTaskService({
    ...{ db, log, queue, window, bus, clock, makeId, workerId, rules: noRules },
    handlers: { find: async (_, kind) => handlers[kind] as TaskHandler },
    inbox: () => INBOX,
    concurrency: config.QUEUE_CONCURRENCY,
    defaultAttempts: config.QUEUE_MAX_ATTEMPTS,
    payloadLimitBytes: config.PAYLOAD_LIMIT_BYTES,
  })
  await bus.start()
  return {
    db,
    tasks,
    sweep: () => tasks.sweepers.due.start(),
    async stop() {
      tasks.sweepers.due.stop()
      await tasks.stop(0)
      await stop()
      await db.stop()
    },
  }
}
