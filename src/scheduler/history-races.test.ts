/** Fires that were passed over leave the history while somebody has them fired after all: only where transactions are under way side by side. */
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { sql } from 'kysely'
import { DATABASES, type TestDatabase } from '../../test/support/databases.ts'
import { HOUR, START, setUpHourly } from '../../test/support/hourly-schedule.ts'
import { until } from '../../test/support/until.ts'
import { decorateDatabase } from '../platform/db/database.ts'
import { makeTestSchedules } from './testing.ts'

const DAY = 24 * HOUR

for (const kind of DATABASES.filter(({ name }) => name === 'PostgreSQL')) {
  describe(`the history of fires on ${kind.name} leaves what is fired after all`, () => {
    let database: TestDatabase
    before(async () => {
      database = await kind.open()
    })

    const isSomebodyWaiting = async (): Promise<boolean> => {
      const { rows } = await sql<{ pid: number }>`SELECT pid FROM pg_locks WHERE NOT granted`.execute(
        database.db.primary,
      )
      return rows.length > 0
    }

    for (const [title, keep] of Object.entries({ 'is too old': { keepMs: DAY }, 'is too much': { keepFires: 1 } })) {
      test(`when it ${title}`, async () => {
        const { tenantId, clock, targets, pass, service, history, done } = await setUpHourly(database, {
          overlap: 'skip',
        })
        for (let hour = 1; hour <= 3; hour++) await pass(HOUR)
        assert.deepEqual(await history(), ['1 started', '2 skipped overlap', '3 skipped overlap'])
        targets.end(0, 'completed')
        await service.pause(tenantId, 'hourly')
        await pass(2 * DAY)
        let commit = (): void => {}
        let hasWritten = false
        const mayCommit = new Promise<void>((resolve) => {
          commit = resolve
        })
        const slow = decorateDatabase(database.db, {
          transaction: (work) =>
            database.db.transaction(async (tx) => {
              const result = await work(tx)
              hasWritten = true
              await mayCommit
              return result
            }),
        })
        const other = makeTestSchedules({ ...database, db: slow, clock, targets })
        const at = START + 2 * HOUR
        const backfill = other.backfill(tenantId, 'hourly', { fromMs: at, untilMs: at })
        await until('the backfill to be written', () => hasWritten)
        const step = makeTestSchedules({ ...database, clock, targets, ...keep }).history.step()
        await until('the history to wait for it', isSomebodyWaiting)
        commit()
        assert.deepEqual(await backfill, { count: 1 })
        await step
        assert.ok((await history()).includes('2 started'), String(await history()))
        await done()
      })
    }
  })
}
