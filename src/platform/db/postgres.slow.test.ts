import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CompiledQuery, sql } from 'kysely'
import { makeTestDatabaseUrl } from '../../../test/support/postgres.ts'
import { placeOf } from '../../../test/support/postgres-place.ts'
import { makeStallingProxy } from '../../../test/support/stalling-proxy.ts'
import { makeEventHub } from '../events/hub.ts'
import { isOutage } from './errors.ts'
import { migrate } from './migrate.ts'
import { openPostgresDatabase } from './postgres.ts'

test('a transaction whose process does not go on loses its locks to whoever waits for them', async (t) => {
  const url = await makeTestDatabaseUrl(t)
  const open = () => {
    const options = { ...placeOf(url), poolMin: 0, poolMax: 2, hub: makeEventHub(), onError: () => {} }
    const db = openPostgresDatabase(options)
    t.after(() => db.stop())
    return db
  }
  const [frozen, living] = [open(), open()]
  await sql`CREATE TABLE things (id INT PRIMARY KEY, owner TEXT)`.execute(living.primary)
  await sql`INSERT INTO things VALUES (1, 'nobody')`.execute(living.primary)
  const isHeld = Promise.withResolvers<void>()
  const goesOn = Promise.withResolvers<void>()
  const late = frozen.transaction(async (tx) => {
    await sql`UPDATE things SET owner = 'frozen' WHERE id = 1`.execute(tx)
    isHeld.resolve()
    await goesOn.promise
    await sql`UPDATE things SET owner = 'frozen, later' WHERE id = 1`.execute(tx)
  })
  await isHeld.promise
  await sql`UPDATE things SET owner = 'living' WHERE id = 1`.execute(living.primary)
  goesOn.resolve()
  await assert.rejects(late, (error) => isOutage(error))
  const { rows } = await sql<{ owner: string }>`SELECT owner FROM things`.execute(living.primary)
  assert.deepEqual(rows, [{ owner: 'living' }])
})

test('ping() does not wait for a server that stands still', async (t) => {
  const place = placeOf(await makeTestDatabaseUrl(t))
  const proxy = await makeStallingProxy(t, place.port)
  const where = { ...place, host: '127.0.0.1', port: proxy.port }
  const db = openPostgresDatabase({ ...where, poolMin: 0, poolMax: 2, hub: makeEventHub(), onError: () => {} })
  await db.ping()
  proxy.stallAfter(0)
  await assert.rejects(db.ping(), (error: Error) => isOutage(error) && /no answer within 5000 ms/.test(error.message))
  proxy.stallAfter(Number.POSITIVE_INFINITY)
})

test('a migration may take longer than any other statement', async (t) => {
  const where = { ...placeOf(await makeTestDatabaseUrl(t)), poolMin: 0, poolMax: 2 }
  const db = openPostgresDatabase({ ...where, hub: makeEventHub(), onError: () => {}, statementTimeoutMs: 500 })
  t.after(() => db.stop())
  // The server breaks it off after half a second, and its client would after five and a half.
  const sleep = 'SELECT pg_sleep(6)'
  await assert.rejects(
    db.transaction((tx) => tx.executeQuery(CompiledQuery.raw(sleep))),
    (error: Error) => isOutage(error) && /statement timeout/.test(error.message),
  )
  const slow = { name: '0001-slow', statements: () => [sleep, 'CREATE TABLE things (id INT)'] }
  assert.deepEqual(await migrate(db, [slow]), ['0001-slow'])
  await sql`SELECT id FROM things`.execute(db.primary)
})

test('ping() is answered while all connections are lent out, and not by a server that stands still', async (t) => {
  const place = placeOf(await makeTestDatabaseUrl(t))
  const proxy = await makeStallingProxy(t, place.port)
  const where = { ...place, host: '127.0.0.1', port: proxy.port }
  const db = openPostgresDatabase({ ...where, poolMin: 0, poolMax: 1, hub: makeEventHub(), onError: () => {} })
  const isLent = Promise.withResolvers<void>()
  const work = db.transaction(async (tx) => {
    await sql`SELECT 1`.execute(tx)
    isLent.resolve()
    await sql`SELECT pg_sleep(30)`.execute(tx)
  })
  // Broken off with the proxy.
  work.catch(() => {})
  await isLent.promise
  await db.ping()
  proxy.stallAfter(0)
  await assert.rejects(db.ping(), (error) => isOutage(error))
})
