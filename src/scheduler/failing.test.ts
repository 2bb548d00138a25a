/** Targets that fail, refuse, or cannot be reached. */
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { DATABASES, type TestDatabase } from '../../test/support/databases.ts'
import { HOUR, MIN, START, setUpHourly } from '../../test/support/hourly-schedule.ts'
import { AppError } from '../platform/errors.ts'
import type { NewSchedule } from './definition.ts'
import { makeScheduleRepository } from './repository.ts'

for (const kind of DATABASES) {
  describe(`failing schedules on ${kind.name}`, () => {
    let database: TestDatabase
    before(async () => {
      database = await kind.open()
    })
    const setUp = (more?: Partial<NewSchedule>) => setUpHourly(database, more)

    test('failures in a row are told once, and pause it if asked; a success starts the count anew', async () => {
      const { tenantId, pass, targets, find, events, service, done } = await setUp({
        failing: { after: 2, pause: true },
      })
      const fireAndEnd = async (state: 'failed' | 'completed' | 'cancelled') => {
        await pass(HOUR)
        targets.end(targets.started.length - 1, state)
        await pass(MIN)
      }
      await fireAndEnd('failed')
      await fireAndEnd('completed')
      await fireAndEnd('failed')
      await fireAndEnd('cancelled')
      assert.deepEqual([(await find()).status, (await find()).failures], ['active', 1])
      await fireAndEnd('failed')
      assert.deepEqual([(await find()).status, (await find()).failures], ['paused', 2])
      assert.deepEqual((await events()).slice(-2), ['failing', 'paused'])
      await service.resume(tenantId, 'hourly')
      assert.equal((await find()).failures, 0)
      await done()
    })

    test('a target that refuses is a failed fire; one that is down is tried again under the same key', async () => {
      const { tenantId, pass, targets, history, service, find, done } = await setUp()
      targets.faults.push(new AppError('workflow_not_found', 'there is none', { status: 404 }))
      await pass(HOUR)
      assert.deepEqual(await history(), ['1 failed'])
      const [fire] = await service.fires(tenantId, 'hourly', { limit: 1 })
      assert.equal(fire?.error?.code, 'workflow_not_found')
      assert.equal((await find()).failures, 1)

      targets.faults.push(new Error('down'), new Error('still down'))
      await pass(HOUR)
      await pass(1000)
      assert.deepEqual(await history(), ['1 failed', '2 due'])
      await pass(2000)
      assert.deepEqual(await history(), ['1 failed', '2 started'])
      assert.equal(targets.started.length, 1)
      await done()
    })

    test('an input that cannot be made is a failed fire', async () => {
      const { pass, targets, history, events, find, done } = await setUp({ input: '{% $fire.nothing %}' })
      await pass(HOUR)
      assert.deepEqual([await history(), targets.calls], [['1 failed'], []])
      assert.equal((await find()).failures, 1)
      assert.ok((await events()).includes('not_started'))
      await done()
    })

    test('what a fire has started is looked at again and again while it goes on, at any millisecond', async () => {
      const { schedule, pass, done } = await setUp()
      const fires = makeScheduleRepository(database.db.primary)
      await pass(HOUR)
      await pass(20_001)
      assert.equal((await fires.fire(schedule.id, START + HOUR))?.wakeAtMs, START + HOUR + 20_001 + 10_001)
      await done()
    })
  })
}
