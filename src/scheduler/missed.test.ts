/** What becomes of times that passed while nothing could fire. */
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { DATABASES, type TestDatabase } from '../../test/support/databases.ts'
import { HOUR, START, setUpHourly } from '../../test/support/hourly-schedule.ts'
import { makeFakeClock } from '../platform/clock.ts'
import type { NewSchedule } from './definition.ts'
import { makeTestSchedules } from './testing.ts'

for (const kind of DATABASES) {
  describe(`missed times of schedules on ${kind.name}`, () => {
    let database: TestDatabase
    before(async () => {
      database = await kind.open()
    })
    const setUp = (more?: Partial<NewSchedule>) => setUpHourly(database, more)

    for (const [missed, starts] of [
      ['skip', [1]],
      ['fire-once', [1, 4]],
      ['fire-all', [1, 2, 3, 4]],
    ] as const) {
      test(`after downtime, a pause or a leap of the clock ${missed} does what it says`, async () => {
        const { tenantId, pass, targets, service, clock, plannedStarts, find, done } = await setUp({
          missed,
          overlap: 'allow',
        })
        await pass(HOUR)
        await pass(3.5 * HOUR)
        assert.deepEqual(plannedStarts(), starts)
        targets.started.length = 0

        await service.pause(tenantId, 'hourly')
        assert.equal((await find()).nextAtMs, null)
        await pass(3 * HOUR)
        assert.deepEqual(plannedStarts(), [])
        await service.resume(tenantId, 'hourly')
        await service.sweep()
        assert.deepEqual(plannedStarts(), { skip: [], 'fire-once': [7], 'fire-all': [5, 6, 7] }[missed])
        assert.equal((await find()).nextAtMs, START + 8 * HOUR)

        // A clock that is set back fires nothing twice.
        const earlier = makeTestSchedules({ ...database, clock: makeFakeClock(START + 2 * HOUR), targets })
        await earlier.sweep()
        assert.equal(plannedStarts().length, { skip: 0, 'fire-once': 1, 'fire-all': 3 }[missed])
        assert.equal(clock.now(), START + 7.5 * HOUR)
        await done()
      })
    }

    test('missed times stand in the history as one row', async () => {
      const { tenantId, pass, service, done } = await setUp({ missed: 'skip' })
      await pass(5.5 * HOUR)
      const [fire, ...others] = await service.fires(tenantId, 'hourly', { limit: 10 })
      assert.deepEqual(others, [])
      assert.deepEqual(
        [fire?.status, fire?.reason, fire?.count, fire?.plannedAtMs, fire?.untilMs],
        ['skipped', 'missed', 5, START + HOUR, START + 5 * HOUR],
      )
      await done()
    })
  })
}
