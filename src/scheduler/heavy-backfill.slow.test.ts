import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { DATABASES } from '../../test/support/databases.ts'
import { makeFakeClock } from '../platform/clock.ts'
import type { AppError } from '../platform/errors.ts'
import type { Json } from '../platform/json.ts'
import { compileTemplate } from './template.ts'
import { makeHandTargets, makeTestSchedules } from './testing.ts'

const HOUR = 3_600_000
const START = Date.UTC(2026, 0, 1)
const facts = { plannedAt: '2026-01-01T00:00:00.000Z', plannedAtMs: START, schedule: 'a', cause: 'planned', key: 'k' }

for (const kind of DATABASES) {
  test(`a backfill of inputs that take long leaves others their turn on ${kind.name}`, async () => {
    const database = await kind.open()
    const [tenantId, clock, targets] = [randomUUID(), makeFakeClock(START), makeHandTargets()]
    const service = makeTestSchedules({ ...database, clock, targets })
    await service.create(tenantId, null, {
      name: 'a',
      timing: { every: '1 hour', anchor: new Date(START - 1000 * HOUR).toISOString() },
      target: { workflow: 'report' },
      input: { sum: '{% $sum([1..2000].($ * 2)) %}' },
    })
    let turns = 0
    let turnsBeforeStart: number | undefined
    const { start } = targets
    targets.start = (request) => {
      turnsBeforeStart ??= turns
      return start(request)
    }
    const timer = setInterval(() => turns++, 1)
    const { count } = await service.backfill(tenantId, 'a', { fromMs: START - 120 * HOUR, untilMs: START - 1 })
    clearInterval(timer)
    assert.equal(count, 120)
    assert.ok((turnsBeforeStart ?? 0) >= 20, `${turnsBeforeStart} turns`)
    const fires = await service.fires(tenantId, 'a', { limit: 500 })
    assert.deepEqual(
      fires.reverse().map(({ plannedAtMs }) => (START - plannedAtMs) / HOUR),
      Array.from({ length: 120 }, (_, i) => 120 - i),
    )
  })
}

test('what the expressions of an input may use and give is bounded', async () => {
  const fails = async (input: Json, why: RegExp): Promise<void> =>
    assert.rejects(compileTemplate(input)(facts), (error: AppError) => {
      assert.equal(error.code, 'schedule_input_failed')
      assert.match(error.message, why)
      return true
    })
  await fails({ a: '{% $sum([1..100000].($ * 2)) %}' }, /limit of steps/)
  await fails({ a: '{% $pad("", 3000000) %}' }, /limit of size/)
  await fails(Array(4).fill('{% $pad("", 300000) %}'), /more than 1000000 characters/)
  assert.throws(() => compileTemplate(Array(101).fill('{% 1 %}')), {
    code: 'schedule_invalid',
    findings: [{ path: 'input', message: 'holds 101 expressions; allowed: at most 100', expected: 'at most 100' }],
  })
  assert.deepEqual(await compileTemplate(Array(100).fill('{% 1 %}'))(facts), Array(100).fill(1))
})
