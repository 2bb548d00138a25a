import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { before, describe, test } from 'node:test'
import { DATABASES, type TestDatabase } from '../../test/support/databases.ts'
import { until } from '../../test/support/until.ts'
import { makeFakeClock } from '../platform/clock.ts'
import { makeHandTargets, makeTestSchedules } from './testing.ts'

const MIN = 60_000
const DAY = 86_400_000
const START = Date.UTC(2026, 0, 1)

for (const kind of DATABASES) {
  describe(`the history of fires on ${kind.name}`, () => {
    let database: TestDatabase
    before(async () => {
      database = await kind.open()
    })

    /** A schedule of every minute with so many fires, all completed. */
    const setUp = async (fires: number, keep: { keepFires?: number; keepMs?: number }) => {
      const tenantId = randomUUID()
      const clock = makeFakeClock(START)
      const targets = makeHandTargets()
      targets.endsAs = 'completed'
      const service = makeTestSchedules({ ...database, clock, targets, ...keep })
      const request = {
        name: 'often',
        timing: { every: '1 min' },
        target: { task: 'ring' },
        missed: 'fire-all',
      } as const
      const make = (more: object) => service.create(tenantId, null, { ...request, overlap: 'allow', ...more })
      await make({})
      for (let i = 0; i < fires; i++) {
        clock.advance(MIN)
        await service.sweep()
      }
      clock.advance(10_000)
      for (let looks = 0; looks <= fires / 8; looks++) await service.sweep()
      return {
        ...{ tenantId, clock, targets, service, make },
        minutes: async (name = 'often') =>
          (await service.fires(tenantId, name, { limit: 1000 })).map((fire) => (fire.plannedAtMs - START) / MIN),
        done: () => service.remove(tenantId, 'often'),
      }
    }

    test('keeps the newest fires of a schedule, and all that are not over', async () => {
      const { service, targets, clock, minutes, make, done, tenantId } = await setUp(6, { keepFires: 4 })
      // It has fewer than it may.
      await make({ name: 'seldom', timing: { every: '3 min' } })
      targets.endsAs = 'open'
      for (let i = 0; i < 3; i++) {
        clock.advance(MIN)
        await service.sweep()
      }
      assert.equal(await service.history.step(), false)
      assert.deepEqual(await minutes(), [9, 8, 7, 6])
      for (let i = 0; i < 3; i++) {
        clock.advance(MIN)
        await service.sweep()
      }
      await service.history.step()
      assert.deepEqual(await minutes(), [12, 11, 10, 9, 8, 7])
      assert.equal((await minutes('seldom')).length, 2)
      await service.remove(tenantId, 'seldom')
      await done()
    })

    test('removes what was over too long ago, a batch at a time', async () => {
      const { service, clock, minutes, done } = await setUp(210, { keepMs: DAY })
      assert.equal(await service.history.step(), false)
      assert.equal((await minutes()).length, 210)
      clock.advance(2 * DAY)
      assert.equal(await service.history.step(), true)
      assert.deepEqual(await minutes(), [210, 209, 208, 207, 206, 205, 204, 203, 202, 201])
      assert.equal(await service.history.step(), false)
      assert.deepEqual(await minutes(), [])
      await done()
    })

    test('is tidied in rounds, by itself', async () => {
      const { service, clock, minutes, done } = await setUp(3, { keepFires: 1 })
      service.history.start()
      await until('all but one to be removed', async () => {
        clock.advance(60_000 * 30)
        return (await minutes()).length === 1
      })
      service.history.stop()
      await done()
    })
  })
}
