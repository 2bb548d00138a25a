import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { before, describe, test } from 'node:test'
import { DATABASES, type TestDatabase } from '../../test/support/databases.ts'
import { makeFakeClock } from '../platform/clock.ts'
import type { Database } from '../platform/db/database.ts'
import { makeEventLog } from '../platform/events/log.ts'
import type { NewSchedule } from './definition.ts'
import { makeHandTargets, makeTestSchedules } from './testing.ts'

const HOUR = 3_600_000
const START = Date.UTC(2026, 0, 1)

for (const kind of DATABASES) {
  describe(`what people do with schedules on ${kind.name}`, () => {
    let database: TestDatabase
    before(async () => {
      database = await kind.open()
    })

    const setUp = async (more: Partial<NewSchedule> = {}, db: Database = database.db) => {
      const [tenantId, clock, targets] = [randomUUID(), makeFakeClock(START), makeHandTargets()]
      const service = makeTestSchedules({ ...database, db, clock, targets })
      const name = 'hourly'
      const request = { timing: { every: '1 hour' }, target: { workflow: 'report' }, ...more }
      await service.create(tenantId, null, { name, ...request })
      const pass = async (ms: number): Promise<void> => {
        clock.advance(ms)
        await service.sweep()
      }
      const statuses = async () => (await service.fires(tenantId, name, { limit: 500 })).map(({ status }) => status)
      // A sweep fires what other tests have left, too.
      const starts = () => targets.started.filter((start) => start.tenantId === tenantId).length
      const events = async () => {
        const found = await makeEventLog(database.db).read({ tenantId, afterId: 0, limit: 500 })
        return found.map(({ type }) => type)
      }
      return { tenantId, clock, starts, targets, service, name, request, pass, statuses, events }
    }

    test('many triggers at the same moment each fire', async () => {
      const { tenantId, service, name, starts } = await setUp({ overlap: 'allow' })
      const fires = await Promise.all(Array.from({ length: 40 }, () => service.trigger(tenantId, name)))
      assert.equal(new Set(fires.map(({ plannedAtMs }) => plannedAtMs)).size, 40)
      assert.equal(starts(), 40)
      await service.remove(tenantId, name)
    })

    test('what waited for the end of a pause starts although whoever resumed it failed right after', async () => {
      let fails = false
      let changes = 0
      const db: Database = {
        ...database.db,
        transaction: async (work) => {
          if (fails && changes++ > 0) throw new Error('the database went away')
          return database.db.transaction(work)
        },
      }
      const { tenantId, service, name, targets, starts, clock, pass } = await setUp({ overlap: 'queue-one' }, db)
      await pass(HOUR)
      await pass(HOUR)
      await service.pause(tenantId, name)
      targets.end(0, 'completed')
      await pass(10 * 60_000)
      assert.equal(starts(), 1)
      fails = true
      await service.resume(tenantId, name).catch(() => {})
      fails = false
      for (let i = 0; i < 5; i++) await pass(5_000)
      assert.equal(starts(), 2)
      assert.equal(clock.now() < START + 3 * HOUR, true)
      await service.remove(tenantId, name)
    })

    test('a change that ends a paused schedule lets go of what waits, and tells of the end', async () => {
      const { tenantId, service, name, request, targets, pass, statuses, events } = await setUp({
        overlap: 'queue-one',
      })
      await pass(HOUR)
      await pass(HOUR)
      await service.pause(tenantId, name)
      targets.end(0, 'completed')
      await pass(10 * 60_000)
      const ended = await service.update(tenantId, name, { ...request, overlap: 'queue-one', maxFires: 2 })
      assert.equal(ended.status, 'ended')
      await pass(5_000)
      assert.deepEqual(await statuses(), ['started', 'completed'])
      assert.ok((await events()).includes('schedule.ended'))
      await service.remove(tenantId, name)
    })
  })
}
