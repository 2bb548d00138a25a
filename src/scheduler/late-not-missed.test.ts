import assert from 'node:assert/strict'
import { test } from 'node:test'
import { planFires } from './plan.ts'
import { makeOptions } from './testing.ts'
import { dueAt } from './timing.ts'
import { MISSED } from './types.ts'

const SECOND = 1000
const MIN = 60 * SECOND

test('times up to a minute late are late and not missed, whatever the policy', () => {
  for (const missed of MISSED) {
    const timing = { kind: 'every', everyMs: SECOND, anchorMs: 0 } as const
    const schedule = { id: 'a', timing, options: makeOptions({ missed }), nextPlannedMs: 10 * SECOND, fires: 0 }
    assert.deepEqual(planFires(schedule, 12.5 * SECOND), {
      fire: [10 * SECOND, 11 * SECOND, 12 * SECOND],
      missed: undefined,
      nextPlannedMs: 13 * SECOND,
    })
  }
})

test('a jitter longer than the interval loses no time under fire-once', () => {
  const [everyMs, jitterMs] = [MIN, 10 * MIN]
  const timing = { kind: 'every', everyMs, anchorMs: 0 } as const
  const options = makeOptions({ missed: 'fire-once', jitterMs })
  let nextPlannedMs: number | null = MIN
  const fired: number[] = []
  for (let nowMs = 0; nowMs < 200 * MIN; nowMs += SECOND) {
    if (nextPlannedMs === null || dueAt('a', nextPlannedMs, jitterMs) > nowMs) continue
    const plan = planFires({ id: 'a', timing, options, nextPlannedMs, fires: 0 }, nowMs)
    assert.equal(plan.missed, undefined)
    fired.push(...plan.fire)
    nextPlannedMs = plan.nextPlannedMs
  }
  assert.deepEqual(
    fired,
    fired.map((_, i) => (i + 1) * MIN),
  )
  assert.ok(fired.length >= 190)
})
