/** What becomes of a fire while what an earlier one started still goes on. */
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { DATABASES, type TestDatabase } from '../../test/support/databases.ts'
import { HOUR, MIN, setUpHourly } from '../../test/support/hourly-schedule.ts'
import type { NewSchedule } from './definition.ts'

for (const kind of DATABASES) {
  describe(`overlap of schedules on ${kind.name}`, () => {
    let database: TestDatabase
    before(async () => {
      database = await kind.open()
    })
    const setUp = (more?: Partial<NewSchedule>) => setUpHourly(database, more)

    test('skip leaves out a fire while the one before goes on', async () => {
      const { pass, targets, history, events, done } = await setUp({ overlap: 'skip' })
      await pass(HOUR)
      await pass(HOUR)
      targets.end(0, 'completed')
      await pass(HOUR)
      assert.deepEqual(await history(), ['1 completed', '2 skipped overlap', '3 started'])
      assert.deepEqual(await events(), ['created', 'fired', 'skipped', 'fired'])
      await done()
    })

    test('queue-one lets one fire wait, which starts when the one before ends', async () => {
      const { pass, targets, history, plannedStarts, done } = await setUp({ overlap: 'queue-one' })
      for (let i = 0; i < 3; i++) await pass(HOUR)
      assert.deepEqual(await history(), ['1 started', '2 queued', '3 skipped overlap'])
      targets.end(0, 'completed')
      await pass(10 * MIN)
      assert.deepEqual(await history(), ['1 completed', '2 started', '3 skipped overlap'])
      assert.deepEqual(plannedStarts(), [1, 2])
      await done()
    })

    test('queue-all starts every fire, one after the other', async () => {
      const { pass, targets, plannedStarts, done } = await setUp({ overlap: 'queue-all' })
      for (let i = 0; i < 4; i++) await pass(HOUR)
      assert.deepEqual(plannedStarts(), [1])
      for (const [i, expected] of [[0, [1, 2]] as const, [1, [1, 2, 3]] as const, [2, [1, 2, 3, 4]] as const]) {
        targets.end(i, 'completed')
        await pass(10 * MIN)
        assert.deepEqual(plannedStarts(), expected)
      }
      await done()
    })

    test('allow starts every fire at its time', async () => {
      const { pass, plannedStarts, done } = await setUp({ overlap: 'allow' })
      for (let i = 0; i < 3; i++) await pass(HOUR)
      assert.deepEqual(plannedStarts(), [1, 2, 3])
      await done()
    })

    test('cancel-previous calls off what goes on and starts once that has ended', async () => {
      const { pass, targets, history, plannedStarts, done } = await setUp({ overlap: 'cancel-previous' })
      await pass(HOUR)
      await pass(HOUR)
      assert.deepEqual(targets.cancelled, [targets.started[0]?.idempotencyKey])
      assert.deepEqual(await history(), ['1 started superseded', '2 queued supersedes'])
      await pass(HOUR)
      assert.deepEqual(await history(), ['1 started superseded', '2 cancelled superseded', '3 queued supersedes'])
      // It was asked a second time, since it had not listened.
      assert.equal(targets.cancelled.length, 2)
      targets.end(0, 'cancelled')
      await pass(MIN)
      assert.deepEqual(await history(), ['1 cancelled superseded', '2 cancelled superseded', '3 started'])
      assert.deepEqual(plannedStarts(), [1, 3])
      await done()
    })

    test('cancel-previous of a trigger calls off also what was only being started', async () => {
      const { tenantId, pass, service, clock, targets, history, done } = await setUp({ overlap: 'skip' })
      targets.faults.push(new Error('the engine does not answer'))
      await pass(HOUR)
      assert.deepEqual(await history(), ['1 due'])
      clock.advance(100)
      assert.equal((await service.trigger(tenantId, 'hourly', { overlap: 'cancel-previous' })).status, 'queued')
      await pass(10_000)
      assert.equal(targets.started.length, 1)
      await pass(10_000)
      assert.deepEqual(targets.cancelled, [targets.started[0]?.idempotencyKey])
      targets.end(0, 'cancelled')
      await pass(MIN)
      assert.equal(targets.started.length, 2)
      await done()
    })

    test('cancel-previous leaves a backfill alone, whose fires wait for each other', async () => {
      const { tenantId, pass, service, schedule, targets, history, done } = await setUp({ overlap: 'cancel-previous' })
      await service.pause(tenantId, 'hourly')
      await pass(2 * HOUR)
      const past = { fromMs: schedule.createdAtMs + 1, untilMs: schedule.createdAtMs + 2 * HOUR }
      assert.deepEqual(await service.backfill(tenantId, 'hourly', past), { count: 2 })
      for (let looks = 0; looks < 3; looks++) await pass(MIN)
      assert.deepEqual(targets.cancelled, [])
      assert.deepEqual(await history(), ['1 started', '2 queued'])
      // Its times have been made up for: nothing is fired that could take the place of anything.
      await service.resume(tenantId, 'hourly')
      await pass(MIN)
      assert.deepEqual(targets.cancelled, [])
      assert.deepEqual(await history(), ['1 started', '2 queued'])
      await done()
    })
  })
}
