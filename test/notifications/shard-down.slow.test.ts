import assert from 'node:assert/strict'
import { chmod } from 'node:fs/promises'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { makeLeash } from '../../cluster/leash.ts'
import { makePorts } from '../../cluster/ports.ts'
import { startPostgres } from '../../cluster/postgres.ts'
import { migrations } from '../../src/migrations/index.ts'
import { makeFakeClock } from '../../src/platform/clock.ts'
import type { Database } from '../../src/platform/db/database.ts'
import { migrate } from '../../src/platform/db/migrate.ts'
import { makeOutageWatch, type OutageWatch } from '../../src/platform/db/outages.ts'
import { openPostgresDatabase } from '../../src/platform/db/postgres.ts'
import type { Event } from '../../src/platform/events/event.ts'
import { makeEventHub } from '../../src/platform/events/hub.ts'
import { makeEventLog } from '../../src/platform/events/log.ts'
import { startTestApp } from '../support/app.ts'
import { wholeFile } from '../support/cleanup.ts'
import { makeTempFolder } from '../support/temp-folder.ts'
import { until } from '../support/until.ts'

const TENANT = 'operator'

const folder = await makeTempFolder()
// The server may run as another user, who has to pass through.
await chmod(folder, 0o711)
const postgres = await startPostgres({
  ...{ folder, logs: folder, replica: false, ports: makePorts(), leash: makeLeash() },
})
wholeFile.after(() => postgres.stop())

const { DB_PORT, DB_NAME, DB_USER, DB_PASSWORD } = postgres.env
const clock = makeFakeClock()

/** The database as one process has it, and its watch over it. */
const makeProcess = async () => {
  const hub = makeEventHub()
  const db = openPostgresDatabase({
    ...{ host: '127.0.0.1', port: Number(DB_PORT), database: `${DB_NAME}`, user: `${DB_USER}` },
    ...{ password: `${DB_PASSWORD}`, poolMin: 0, poolMax: 2, hub, onError: () => {} },
  })
  wholeFile.after(() => db.stop())
  await migrate(db, migrations)
  const onError = (error: unknown): never => assert.fail(String(error))
  return { db, watch: makeOutageWatch({ db, clock, tenantId: TENANT, onError }) }
}
const first = await makeProcess()
const second = await makeProcess()

const lookAll = (...watches: OutageWatch[]) => Promise.all(watches.map((watch) => watch.look()))

const told = async (db: Database): Promise<Event[]> => {
  const events = await makeEventLog(db).read({ tenantId: TENANT, afterId: 0, limit: 100 })
  return events.filter(({ type }) => type === 'system.shard_down')
}

test('an outage that two processes saw is told once, with its beginning and its end; the next one is told too', async () => {
  await lookAll(first.watch, second.watch)
  await postgres.primary.stop('immediate')
  const fromMs = clock.now()
  await lookAll(first.watch, second.watch)
  clock.advance(7000)
  await lookAll(first.watch, second.watch)
  await postgres.primary.start()
  clock.advance(2000)
  await lookAll(first.watch, second.watch)
  await lookAll(first.watch, second.watch)
  const data = { shard: 'main', fromMs, untilMs: fromMs + 9000 }
  assert.deepEqual(
    (await told(first.db)).map((event) => event.data),
    [data],
  )

  clock.advance(60_000)
  await postgres.primary.stop('fast')
  await second.watch.look()
  await postgres.primary.start()
  await lookAll(first.watch, second.watch)
  assert.equal((await told(first.db)).length, 2)
})

test('a process that sees the end of an outage late, by a clock that is ahead, does not tell of it again', async () => {
  const ahead = makeFakeClock(clock.now() + 3000)
  const late = makeOutageWatch({ db: first.db, clock: ahead, tenantId: TENANT, onError: () => {} })
  clock.advance(60_000)
  ahead.advance(60_000)
  const before = (await told(first.db)).length
  await postgres.primary.stop('fast')
  await lookAll(first.watch, late)
  await postgres.primary.start()
  await first.watch.look()
  ahead.advance(1000)
  await late.look()
  assert.equal((await told(first.db)).length, before + 1)
})

test('a pool whose connections are all in use is no outage, and neither is an error of another kind', async () => {
  const errors: unknown[] = []
  let fault: Error | undefined
  const db: Database = {
    ...first.db,
    async ping() {
      if (fault) throw fault
    },
  }
  const watch = makeOutageWatch({ db, clock, tenantId: TENANT, onError: (error) => errors.push(error) })
  const before = (await told(first.db)).length
  clock.advance(60_000)
  for (const message of ['timeout exceeded when trying to connect', 'permission denied']) {
    fault = new Error(message)
    await watch.look()
    fault = undefined
    await watch.look()
  }
  assert.equal((await told(first.db)).length, before)
  assert.equal(errors.length, 1)
})

test('a whole AIDOS watches its database by itself, and tells in the log of the operator', async () => {
  const { app } = await startTestApp({
    env: { ...postgres.env, AIDOS_SECRET_KEY: Buffer.alloc(32, 1).toString('base64') },
  })
  const away = async (): Promise<Event[]> => {
    const events = await makeEventLog(first.db).read({ tenantId: app.tenantId, afterId: 0, limit: 100 })
    return events.filter(({ type }) => type === 'system.shard_down')
  }
  await postgres.primary.stop('fast')
  // It asks every five seconds: long enough for two looks, so that one falls into it on a slow machine, too.
  await pause(12_000)
  await postgres.primary.start()
  const isTold = async () => (await away()).length === 1
  await until('the event', () => isTold().catch(() => false), { everyMs: 50 })
})
