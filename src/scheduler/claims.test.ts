/** A time is fired once, whoever else is at it. */
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { DATABASES, type TestDatabase } from '../../test/support/databases.ts'
import { HOUR, MIN, START, setUpHourly } from '../../test/support/hourly-schedule.ts'
import { until } from '../../test/support/until.ts'
import { makeLocalBus } from '../platform/bus/bus.ts'
import { makeEventHub } from '../platform/events/hub.ts'
import type { NewSchedule } from './definition.ts'
import { makeTestSchedules } from './testing.ts'

for (const kind of DATABASES) {
  describe(`claims of schedules on ${kind.name}`, () => {
    let database: TestDatabase
    before(async () => {
      database = await kind.open()
    })
    const setUp = (more?: Partial<NewSchedule>) => setUpHourly(database, more)

    test('a schedule that is paused between the look and the claim does not fire', async () => {
      const { tenantId, clock, pass, targets, service, history, find, done } = await setUp({ overlap: 'queue-one' })
      await pass(HOUR)
      let looks = 0
      const stateOf: typeof targets.stateOf = async (tenant, ref) => {
        // The first look is at what was started; the second belongs to the claim, which has read the schedule by then.
        if (tenant === tenantId && ++looks === 2) await service.pause(tenantId, 'hourly')
        return targets.stateOf(tenant, ref)
      }
      clock.advance(HOUR)
      await makeTestSchedules({ ...database, clock, targets: { ...targets, stateOf } }).sweep()
      assert.ok(looks >= 2)
      assert.deepEqual(await history(), ['1 started'])
      assert.deepEqual([(await find()).status, (await find()).nextPlannedMs], ['paused', START + 2 * HOUR])
      await done()
    })

    test('the end of what a process has started that is gone is heard by whoever has looked at it since', async () => {
      const { tenantId, clock, targets, history, done } = await setUp({ overlap: 'queue-one' })
      const bus = { ...makeLocalBus(), isShared: true }
      // It hears nothing any more.
      const gone = makeTestSchedules({ ...database, hub: makeEventHub(), bus, clock, targets })
      const other = makeTestSchedules({ ...database, bus, clock, targets })
      clock.advance(HOUR)
      await gone.sweep()
      clock.advance(HOUR)
      await gone.sweep()
      clock.advance(5 * MIN)
      await other.sweep()
      assert.deepEqual(await history(), ['1 started', '2 queued'])
      targets.end(0, 'completed')
      const runId = targets.started[0]?.idempotencyKey as string
      const event = {
        tenantId,
        projectId: null,
        runId,
        taskId: null,
        type: 'run.completed',
        data: {},
        atMs: clock.now(),
      }
      database.hub.publish([{ ...event, id: 1 }])
      await until('the next to start', async () => String(await history()) === '1 completed,2 started')
      other.stop()
      await done()
    })

    test('of several services over one database each time fires once, whichever of them dies when', async () => {
      const { tenantId, clock, targets, service, history, done } = await setUp({
        timing: { every: '1 min' },
        overlap: 'allow',
        missed: 'fire-all',
      })
      // This one claims, and dies before it has started anything.
      let lostStarts = 0
      let hasClaimed = (): void => {}
      const start = () => {
        lostStarts++
        hasClaimed()
        return new Promise<never>(() => {})
      }
      const dying = () => makeTestSchedules({ ...database, clock, targets: { ...targets, start } })
      const others = [service, ...Array.from({ length: 2 }, () => makeTestSchedules({ ...database, clock, targets }))]
      for (let minute = 1; minute <= 20; minute++) {
        clock.advance(MIN)
        if (minute % 5 === 0) {
          const claimed = new Promise<void>((resolve) => {
            hasClaimed = resolve
          })
          void dying().sweep()
          await claimed
        }
        await Promise.all(others.map((other) => other.sweep()))
      }
      // A minute later what the dead one has claimed is started by whoever looks.
      await service.pause(tenantId, 'hourly')
      clock.advance(MIN)
      await Promise.all(others.map((other) => other.sweep()))
      assert.deepEqual(
        await history(),
        Array.from({ length: 20 }, (_, i) => `${(i + 1) / 60} started`),
      )
      const keys = targets.started.filter((request) => request.tenantId === tenantId).map((r) => r.idempotencyKey)
      assert.deepEqual([keys.length, new Set(keys).size], [20, 20])
      assert.equal(lostStarts, 4)
      await done()
    })
  })
}
