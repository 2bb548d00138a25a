import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { before, describe, test } from 'node:test'
import { DATABASES, type TestDatabase } from '../../test/support/databases.ts'
import { until } from '../../test/support/until.ts'
import { makeFakeClock } from '../platform/clock.ts'
import { AppError } from '../platform/errors.ts'
import { makeEventLog } from '../platform/events/log.ts'
import type { NewSchedule } from './definition.ts'
import { makeScheduleRepository } from './repository.ts'
import { makeHandTargets, makeTestSchedules } from './testing.ts'

const MIN = 60_000
const HOUR = 60 * MIN
const START = Date.UTC(2026, 0, 1)

for (const kind of DATABASES) {
  describe(`schedules on ${kind.name}`, () => {
    let database: TestDatabase
    before(async () => {
      database = await kind.open()
    })

    /** A scheduler of its own tenant, an hourly schedule in it, and time at midnight. Sweeps of one test leave the others' rows alone. */
    const setUp = async (more: Partial<NewSchedule> = {}) => {
      const tenantId = randomUUID()
      const clock = makeFakeClock(START)
      const targets = makeHandTargets()
      const lateness: number[] = []
      const onFired = (fact: { latenessMs: number }) => void lateness.push(fact.latenessMs)
      const gauges = new Map<string, () => number | Promise<number>>()
      const service = makeTestSchedules({ ...database, clock, targets, onFired, gauges })
      const name = 'hourly'
      const request = { name, timing: { every: '1 hour' }, target: { workflow: 'report' }, ...more }
      const schedule = await service.create(tenantId, null, request)
      return {
        tenantId,
        clock,
        targets,
        lateness,
        gauges,
        service,
        request,
        schedule,
        async pass(ms: number) {
          clock.advance(ms)
          await service.sweep()
        },
        plannedStarts: () =>
          targets.started
            .filter(({ tenantId: of }) => of === tenantId)
            .map(({ idempotencyKey }) => (Number(idempotencyKey.split(':')[2]) - START) / HOUR),
        /** `1 completed`: hour and status, oldest first. */
        async history() {
          const fires = await service.fires(tenantId, name, { limit: 500 })
          return fires
            .reverse()
            .map(({ plannedAtMs, status, reason }) =>
              [(plannedAtMs - START) / HOUR, status, reason].filter((part) => part !== null).join(' '),
            )
        },
        find: () => service.find(tenantId, name),
        async events() {
          const events = await makeEventLog(database.db).read({ tenantId, afterId: 0, limit: 500 })
          return events.map(({ type }) => type.replace('schedule.', ''))
        },
        done: () => service.remove(tenantId, name),
      }
    }

    test('a due schedule starts its target with its key, its input and its tenant', async () => {
      const { tenantId, schedule, targets, lateness, pass, events, done, service } = await setUp({
        input: { at: '{% $fire.plannedAt %}' },
        priority: 'high',
        timeout: '5 min',
      })
      await pass(HOUR - 1)
      assert.equal(targets.started.length, 0)
      await pass(251)
      assert.deepEqual(targets.started, [
        {
          tenantId,
          projectId: null,
          idempotencyKey: `schedule:${schedule.id}:${START + HOUR}`,
          target: { kind: 'workflow', name: 'report', version: null },
          input: { at: '2026-01-01T01:00:00.000Z' },
          priority: 2,
          timeoutMs: 5 * MIN,
        },
      ])
      assert.deepEqual(lateness, [250])
      const [fire] = await service.fires(tenantId, 'hourly', { limit: 10 })
      assert.deepEqual(
        [fire?.status, fire?.startedAtMs, fire?.ref?.id],
        ['started', START + HOUR + 250, targets.started[0]?.idempotencyKey],
      )
      await pass(0)
      assert.equal(targets.calls.length, 1)
      assert.deepEqual(await events(), ['created', 'fired'])
      await done()
      assert.deepEqual((await events()).at(-1), 'deleted')
    })

    test('a fire later than the threshold is told of, and the oldest due schedule is a figure', async () => {
      const { tenantId, clock, pass, targets, events, lateness, gauges, service, done } = await setUp({
        overlap: 'queue-one',
      })
      const oldest = gauges.get('aidos_schedule_oldest_due_seconds')
      assert.equal(await oldest?.(), 0)
      clock.advance(HOUR + MIN - 1)
      assert.equal(await oldest?.(), 59.999)
      await pass(0)
      assert.deepEqual(await events(), ['created', 'fired'])
      // What waits in the queue because it should is not late when its turn comes.
      await pass(HOUR)
      await pass(10 * MIN)
      targets.end(0, 'completed')
      await pass(10 * MIN)
      assert.deepEqual([await events(), lateness.at(-1)], [['created', 'fired', 'fired'], 0])
      targets.end(1, 'completed')
      await pass(10 * MIN)
      await pass(HOUR)
      assert.deepEqual((await events()).slice(3), ['fired', 'late'])
      assert.equal(lateness.at(-1), 31 * MIN - 1)
      targets.end(2, 'completed')
      // Nor is what a pause has held back, from the pause's end on.
      await service.pause(tenantId, 'hourly')
      await pass(2 * HOUR)
      await service.resume(tenantId, 'hourly')
      await pass(100)
      assert.deepEqual(lateness.at(-1), 100)
      await done()
    })

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
      assert.deepEqual(await history(), ['1 started superseded', '2 queued'])
      await pass(HOUR)
      assert.deepEqual(await history(), ['1 started superseded', '2 cancelled superseded', '3 queued'])
      // It was asked a second time, since it had not listened.
      assert.equal(targets.cancelled.length, 2)
      targets.end(0, 'cancelled')
      await pass(MIN)
      assert.deepEqual(await history(), ['1 cancelled superseded', '2 cancelled superseded', '3 started'])
      assert.deepEqual(plannedStarts(), [1, 3])
      await done()
    })

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

    test('a limit on fires ends the schedule, and skipped ones do not count', async () => {
      const { pass, targets, find, history, events, done } = await setUp({ maxFires: 2 })
      await pass(HOUR)
      await pass(HOUR)
      assert.deepEqual([(await find()).status, (await find()).fires], ['active', 1])
      targets.end(0, 'completed')
      await pass(HOUR)
      assert.deepEqual([(await find()).status, (await find()).fires, (await find()).nextAtMs], ['ended', 2, null])
      await pass(5 * HOUR)
      assert.deepEqual(await history(), ['1 completed', '2 skipped overlap', '3 started'])
      assert.ok((await events()).includes('ended'))
      await done()
    })

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

    test('update() keeps the beat of an unchanged interval and starts a changed timing from now', async () => {
      const { tenantId, pass, service, request, find, done } = await setUp()
      await pass(0.5 * HOUR)
      const { name: _, ...same } = request
      assert.equal((await service.update(tenantId, 'hourly', same)).revision, 0)
      await service.update(tenantId, 'hourly', { ...same, input: 5 })
      assert.equal((await find()).nextAtMs, START + HOUR)
      await service.update(tenantId, 'hourly', { ...same, timing: { every: '2 hours' } })
      assert.equal((await find()).nextAtMs, START + 2.5 * HOUR)
      await service.put(tenantId, { ...request, timing: { at: '2026-01-01T05:00:00Z' } })
      assert.deepEqual([(await find()).nextAtMs, (await find()).input], [START + 5 * HOUR, null])
      await done()
    })

    test('what can never fire, exists already or is malformed is refused', async () => {
      const { tenantId, service, request, done } = await setUp()
      const refusal = (more: object) => service.create(tenantId, null, { ...request, name: 'other', ...more })
      await assert.rejects(refusal({ timing: { at: '2025-01-01T00:00:00Z' } }), { code: 'schedule_never_fires' })
      await assert.rejects(refusal({ timing: { cron: '0 0 30 2 *' } }), { code: 'schedule_never_fires' })
      await assert.rejects(refusal({ name: 'hourly' }), { code: 'schedule_exists' })
      await assert.rejects(
        refusal({ timing: { cron: 'x' }, jitter: '2 hours', timeout: 'soon' }),
        (error: AppError) => {
          assert.deepEqual(
            error.findings?.map(({ path }) => path),
            ['timing.cron', 'jitter', 'timeout'],
          )
          return error.code === 'schedule_invalid'
        },
      )
      await assert.rejects(service.find(randomUUID(), 'hourly'), { code: 'schedule_not_found' })
      await done()
    })

    test('start() sleeps until the next due time and fires it by itself', async () => {
      const { clock, targets, service, done, plannedStarts } = await setUp()
      await service.start()
      await until('the first fire', () => {
        if (clock.now() < START + 1.5 * HOUR) clock.advance(10_000)
        return plannedStarts().length > 0
      })
      assert.deepEqual(plannedStarts(), [1])
      service.stop()
      clock.advance(5 * HOUR)
      await new Promise((resolve) => setTimeout(resolve, 20))
      assert.equal(targets.started.length, 1)
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

    test('an input that is larger than a payload may be is refused before there is a schedule or a fire', async () => {
      const { tenantId, service, history, done } = await setUp()
      const large = { text: 'x'.repeat(300_000) }
      const request = { timing: { every: '1 hour' }, target: { workflow: 'report' }, input: large }
      const refused = { code: 'payload_too_large' }
      await assert.rejects(service.create(tenantId, null, { name: 'large', ...request }), refused)
      await assert.rejects(service.update(tenantId, 'hourly', request), refused)
      await assert.rejects(service.trigger(tenantId, 'hourly', { input: large }), refused)
      assert.deepEqual(await history(), [])
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
