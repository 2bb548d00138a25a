import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { before, describe, test } from 'node:test'
import { DATABASES, type TestDatabase } from '../../test/support/databases.ts'
import { HOUR, MIN, START, setUpHourly } from '../../test/support/hourly-schedule.ts'
import { until } from '../../test/support/until.ts'
import type { AppError } from '../platform/errors.ts'
import type { NewSchedule } from './definition.ts'

for (const kind of DATABASES) {
  describe(`schedules on ${kind.name}`, () => {
    let database: TestDatabase
    before(async () => {
      database = await kind.open()
    })
    const setUp = (more?: Partial<NewSchedule>) => setUpHourly(database, more)

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
  })
}
