/** Fires that somebody asks for. */
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { DATABASES, type TestDatabase } from '../../test/support/databases.ts'
import { HOUR, MIN, START, setUpHourly } from '../../test/support/hourly-schedule.ts'
import type { NewSchedule } from './definition.ts'

for (const kind of DATABASES) {
  describe(`schedules fired by hand on ${kind.name}`, () => {
    let database: TestDatabase
    before(async () => {
      database = await kind.open()
    })
    const setUp = (more?: Partial<NewSchedule>) => setUpHourly(database, more)

    test('trigger() fires at once by the policy, even when paused, with an input of its own', async () => {
      const { tenantId, targets, service, clock, find, done } = await setUp({ input: 1 })
      await service.pause(tenantId, 'hourly')
      clock.advance(HOUR)
      const fire = await service.trigger(tenantId, 'hourly', { input: { by: '{% $fire.cause %}' } })
      assert.deepEqual([fire.status, fire.cause, targets.started[0]?.input], ['started', 'trigger', { by: 'trigger' }])
      const second = await service.trigger(tenantId, 'hourly')
      assert.deepEqual([second.status, second.reason], ['skipped', 'overlap'])
      const third = await service.trigger(tenantId, 'hourly', { overlap: 'allow' })
      assert.equal(third.status, 'started')
      // The time that was planned for this very moment is still to come.
      assert.deepEqual([(await find()).fires, (await find()).nextPlannedMs], [0, START + HOUR])
      await service.resume(tenantId, 'hourly')
      targets.end(0, 'completed')
      targets.end(1, 'completed')
      await service.sweep()
      assert.ok(targets.started.some(({ idempotencyKey }) => idempotencyKey.endsWith(`:${START + HOUR}`)))
      await done()
    })

    test('backfill() fires the times of the past that have not fired, one after the other', async () => {
      const { tenantId, pass, targets, service, history, clock, done } = await setUp({
        missed: 'skip',
        overlap: 'skip',
      })
      targets.endsAs = 'completed'
      await pass(HOUR)
      await pass(MIN)
      await pass(3 * HOUR - MIN)
      assert.deepEqual(await history(), ['1 completed', '2 skipped missed', '4 started'])
      const range = { fromMs: START + 1, untilMs: clock.now() }
      assert.deepEqual(await service.backfill(tenantId, 'hourly', range), { count: 2 })
      for (let i = 0; i < 5; i++) await pass(10_000)
      assert.deepEqual(await history(), ['1 completed', '2 completed', '3 completed', '4 completed'])
      assert.equal(targets.calls.length, 4)
      assert.deepEqual(await service.backfill(tenantId, 'hourly', range), { count: 0 })
      await assert.rejects(service.backfill(tenantId, 'hourly', { fromMs: 0, untilMs: clock.now() + 1 }), {
        code: 'backfill_range_invalid',
      })
      await done()
    })

    test('backfill() refuses a range with too many times', async () => {
      const { tenantId, service, clock, done } = await setUp({ timing: { cron: '* * * * *' } })
      const range = { fromMs: clock.now() - 1001 * MIN, untilMs: clock.now() }
      await assert.rejects(service.backfill(tenantId, 'hourly', range), { code: 'backfill_too_large' })
      await done()
    })

    for (const [overlap, left] of [
      ['skip', ['2 queued']],
      ['queue-one', ['2 queued']],
      ['queue-all', ['2 queued']],
      ['allow', ['2 queued']],
      ['cancel-previous', ['2 cancelled superseded']],
    ] as const) {
      test(`trigger() with ${overlap} fires at once though the pause holds a planned fire back`, async () => {
        const { tenantId, pass, targets, service, history, done } = await setUp({ overlap: 'queue-one' })
        await pass(HOUR)
        await pass(HOUR)
        await service.pause(tenantId, 'hourly')
        targets.end(0, 'completed')
        await pass(10 * MIN)
        assert.deepEqual(await history(), ['1 completed', '2 queued'])
        const fire = await service.trigger(tenantId, 'hourly', { overlap })
        assert.equal(fire.status, 'started')
        assert.deepEqual((await history()).slice(1, 2), left)
        await done()
      })
    }
  })
}
