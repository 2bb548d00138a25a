import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { decideOverlap } from './overlap.ts'
import { planFires } from './plan.ts'
import { makeOptions } from './testing.ts'
import { dueAt, nextPlanned } from './timing.ts'
import type { ScheduleOptions } from './types.ts'

const MIN = 60_000
const HOUR = 60 * MIN
/** Of every hour from 0, whose first time that nobody has claimed is 1:00. */
const hourly = (options: Partial<ScheduleOptions> = {}) => ({
  id: 'a',
  timing: { kind: 'every', everyMs: HOUR, anchorMs: 0 } as const,
  options: makeOptions(options),
  nextPlannedMs: HOUR as number | null,
  fires: 0,
})

describe('planFires()', () => {
  test('fires a time that is on time whatever the policy', () => {
    for (const missed of ['skip', 'fire-once', 'fire-all'] as const) {
      assert.deepEqual(planFires(hourly({ missed }), HOUR + MIN), {
        fire: [HOUR],
        missed: undefined,
        nextPlannedMs: 2 * HOUR,
      })
    }
  })

  test('skip passes over what is late, and fires the one that is on time', () => {
    const late = planFires(hourly({ missed: 'skip' }), 4.5 * HOUR)
    assert.deepEqual(late, {
      fire: [],
      missed: { fromMs: HOUR, untilMs: 4 * HOUR, count: 4 },
      nextPlannedMs: 5 * HOUR,
    })
    const onTime = planFires(hourly({ missed: 'skip' }), 4 * HOUR + 100)
    assert.deepEqual(onTime, {
      fire: [4 * HOUR],
      missed: { fromMs: HOUR, untilMs: 3 * HOUR, count: 3 },
      nextPlannedMs: 5 * HOUR,
    })
  })

  test('fire-once fires the latest, for all of them', () => {
    assert.deepEqual(planFires(hourly({ missed: 'fire-once' }), 4.5 * HOUR), {
      fire: [4 * HOUR],
      missed: { fromMs: HOUR, untilMs: 3 * HOUR, count: 3 },
      nextPlannedMs: 5 * HOUR,
    })
  })

  test('fire-all fires each, in order', () => {
    assert.deepEqual(planFires(hourly({ missed: 'fire-all' }), 4.5 * HOUR), {
      fire: [HOUR, 2 * HOUR, 3 * HOUR, 4 * HOUR],
      missed: undefined,
      nextPlannedMs: 5 * HOUR,
    })
  })

  test('nothing older than the catch-up window is made up for', () => {
    const options = { missed: 'fire-all', catchUpMs: 1.75 * HOUR } as const
    assert.deepEqual(planFires(hourly(options), 4.5 * HOUR), {
      fire: [3 * HOUR, 4 * HOUR],
      missed: { fromMs: HOUR, untilMs: 2 * HOUR, count: 2 },
      nextPlannedMs: 5 * HOUR,
    })
    const once = { missed: 'fire-once', catchUpMs: 10 * MIN } as const
    assert.deepEqual(planFires(hourly(once), 4.5 * HOUR), {
      fire: [],
      missed: { fromMs: HOUR, untilMs: 4 * HOUR, count: 4 },
      nextPlannedMs: 5 * HOUR,
    })
  })

  test('claims a long past in parts, and does not count it to the end', () => {
    const plan = planFires(hourly({ missed: 'fire-all', catchUpMs: 10_000 * HOUR }), 5000 * HOUR)
    assert.deepEqual([plan.fire.length, plan.nextPlannedMs], [100, 101 * HOUR])
    const skipped = planFires(hourly({ missed: 'skip' }), 5000 * HOUR)
    assert.deepEqual(skipped.missed, { fromMs: HOUR, untilMs: 4999 * HOUR, count: null })
    assert.deepEqual(skipped.fire, [5000 * HOUR])
  })

  test('fires no more than are left of the limit', () => {
    const plan = planFires({ ...hourly({ missed: 'fire-all', maxFires: 5 }), fires: 3 }, 9 * HOUR)
    assert.deepEqual(plan.fire, [HOUR, 2 * HOUR])
  })

  test('ends when the timing does', () => {
    const plan = planFires(hourly({ missed: 'fire-all', endAtMs: 3 * HOUR }), 9 * HOUR)
    assert.deepEqual([plan.fire, plan.nextPlannedMs], [[HOUR, 2 * HOUR], null])
  })

  test('a jitter neither loses a time nor fires one before it is due', () => {
    let schedule = hourly({ missed: 'fire-all', jitterMs: HOUR })
    const fired: number[] = []
    for (let nowMs = HOUR; nowMs < 50 * HOUR; nowMs += 7 * MIN) {
      const plan = planFires(schedule, nowMs)
      for (const ms of plan.fire) assert.ok(dueAt('a', ms, HOUR) <= nowMs)
      fired.push(...plan.fire)
      schedule = { ...schedule, nextPlannedMs: plan.nextPlannedMs }
    }
    assert.deepEqual(
      fired,
      fired.map((_, i) => (i + 1) * HOUR),
    )
    assert.ok(fired.length >= 48)
  })

  test('a day of daylight-saving change that was slept through is made up for time by time', () => {
    for (const [zone, day] of [
      ['Europe/Berlin', '2026-03-29T00:00Z'],
      ['America/New_York', '2026-11-01T04:00Z'],
      ['Australia/Lord_Howe', '2026-10-03T13:00Z'],
    ] as const) {
      const startMs = Date.parse(day)
      const timing = { kind: 'cron', expression: '0 * * * *', timeZone: zone } as const
      const options = makeOptions({ missed: 'fire-all' })
      const nextPlannedMs = nextPlanned({ timing, options }, startMs - 1) as number
      const plan = planFires({ id: 'a', timing, options, nextPlannedMs, fires: 0 }, startMs + 6 * HOUR)
      const sorted = [...new Set(plan.fire)].sort((a, b) => a - b)
      assert.deepEqual(plan.fire, sorted, zone)
      // Lord Howe's clock moves by half an hour: the hour in between is that much shorter or longer.
      assert.equal(plan.fire.length, zone === 'Australia/Lord_Howe' ? 6 : 7, zone)
      assert.ok((plan.nextPlannedMs as number) > startMs + 6 * HOUR)
    }
  })
})

describe('decideOverlap()', () => {
  const decide = (overlap: Parameters<typeof decideOverlap>[0], going: number, queued: number) => {
    const decision = decideOverlap(overlap, { going, queued })
    return 'reason' in decision ? decision.reason : decision.status
  }
  test('lets a fire go when nothing goes on', () => {
    for (const overlap of ['skip', 'queue-one', 'queue-all', 'allow', 'cancel-previous'] as const) {
      assert.equal(decide(overlap, 0, 0), 'due')
    }
  })
  test('follows the policy when something does', () => {
    assert.equal(decide('skip', 1, 0), 'overlap')
    assert.equal(decide('allow', 9, 0), 'due')
    assert.equal(decide('queue-one', 1, 0), 'queued')
    assert.equal(decide('queue-one', 1, 1), 'overlap')
    assert.equal(decide('queue-all', 1, 999), 'queued')
    assert.equal(decide('queue-all', 1, 1000), 'queue_full')
    assert.deepEqual(decideOverlap('cancel-previous', { going: 1, queued: 0 }), {
      status: 'queued',
      reason: 'supersedes',
    })
  })
})
