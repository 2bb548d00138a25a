import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sql } from 'kysely'
import pg from 'pg'
import { makeTestDatabaseUrl } from '../../../test/support/postgres.ts'
import { placeOf } from '../../../test/support/postgres-place.ts'
import { until } from '../../../test/support/until.ts'
import { makeEventHub } from '../events/hub.ts'
import { openPostgresDatabase } from './postgres.ts'

test('openPostgresDatabase() tells of each broken connection once, lent out or not', async (t) => {
  const url = await makeTestDatabaseUrl(t)
  const told: Error[] = []
  const db = openPostgresDatabase({
    ...placeOf(url),
    ...{ poolMin: 0, poolMax: 5 },
    hub: makeEventHub(),
    onError: (error) => void told.push(error),
  })
  t.after(() => db.stop())
  await Promise.all(Array.from({ length: 3 }, () => sql`SELECT pg_sleep(0.05)`.execute(db.primary)))
  const lentOut = assert.rejects(sql`SELECT pg_sleep(60)`.execute(db.primary))
  const other = new pg.Client({ connectionString: url })
  await other.connect()
  const backends = `FROM pg_stat_activity WHERE application_name = 'aidos' AND datname = current_database()`
  await until('one of the three to be lent out', async () => {
    const { rows } = await other.query(`SELECT count(*)::int AS n ${backends} AND state = 'active'`)
    return rows[0].n === 1
  })
  await other.query(`SELECT pg_terminate_backend(pid) ${backends}`)
  await lentOut
  await until('the connections to be gone', async () => {
    const { rows } = await other.query(`SELECT count(*)::int AS n ${backends}`)
    return rows[0].n === 0
  })
  await other.end()
  await until('all three to be told of', () => told.length >= 3)
  await db.ping()
  assert.equal(told.length, 3, told.map(({ message }) => message).join('\n'))
})
