import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { makeOptions } from './testing.ts'
import { cronProblem, dueAt, lastPlanned, nextPlanned, preview } from './timing.ts'
import type { ScheduleOptions, Timing } from './types.ts'

const cron = (expression: string, timeZone: string, options: Partial<ScheduleOptions> = {}) => ({
  timing: { kind: 'cron', expression, timeZone } as const satisfies Timing,
  options: makeOptions(options),
})
const timesOf = (timed: ReturnType<typeof cron>, from: string, count: number): string[] =>
  preview(timed, Date.parse(from), count).map((ms) => new Date(ms).toISOString().replace(':00.000Z', 'Z'))

describe('cron over the change to daylight saving', () => {
  test('a daily job whose time is leapt over fires once, right after the gap', () => {
    assert.deepEqual(timesOf(cron('30 2 * * *', 'Europe/Berlin'), '2026-03-28T00:00Z', 3), [
      '2026-03-28T01:30Z',
      '2026-03-29T01:00Z',
      '2026-03-30T00:30Z',
    ])
    assert.deepEqual(timesOf(cron('30 2 * * *', 'America/New_York'), '2026-03-07T00:00Z', 3), [
      '2026-03-07T07:30Z',
      '2026-03-08T07:00Z',
      '2026-03-09T06:30Z',
    ])
    // Lord Howe's clock leaps by half an hour.
    assert.deepEqual(timesOf(cron('15 2 * * *', 'Australia/Lord_Howe'), '2026-10-02T12:00Z', 3), [
      '2026-10-02T15:45Z',
      '2026-10-03T15:30Z',
      '2026-10-04T15:15Z',
    ])
  })

  test('a daily job whose time comes twice fires at the first of them only', () => {
    assert.deepEqual(timesOf(cron('30 2 * * *', 'Europe/Berlin'), '2026-10-24T00:00Z', 3), [
      '2026-10-24T00:30Z',
      '2026-10-25T00:30Z',
      '2026-10-26T01:30Z',
    ])
    assert.deepEqual(timesOf(cron('30 1 * * *', 'America/New_York'), '2026-10-31T00:00Z', 3), [
      '2026-10-31T05:30Z',
      '2026-11-01T05:30Z',
      '2026-11-02T06:30Z',
    ])
    assert.deepEqual(timesOf(cron('45 1 * * *', 'Australia/Lord_Howe'), '2026-04-03T12:00Z', 3), [
      '2026-04-03T14:45Z',
      '2026-04-04T14:45Z',
      '2026-04-05T15:15Z',
    ])
  })

  test('several fixed times of a day keep to the rule, too', () => {
    assert.deepEqual(timesOf(cron('30 2,14 * * *', 'Europe/Berlin'), '2026-03-28T20:00Z', 3), [
      '2026-03-29T01:00Z',
      '2026-03-29T12:30Z',
      '2026-03-30T00:30Z',
    ])
    assert.equal(timesOf(cron('30 2,14 * * *', 'Europe/Berlin'), '2026-10-24T20:00Z', 2)[1], '2026-10-25T13:30Z')
  })

  const changes = [
    ['Europe/Berlin', '2026-03-28T22:00Z', '2026-10-24T22:00Z'],
    ['America/New_York', '2026-03-08T04:00Z', '2026-11-01T03:00Z'],
    ['Australia/Lord_Howe', '2026-10-03T12:00Z', '2026-04-04T12:00Z'],
  ] as const
  for (const [zone, spring, autumn] of changes) {
    test(`a job of every half hour keeps its beat in ${zone}`, () => {
      for (const from of [spring, autumn]) {
        const times = preview(cron('*/30 * * * *', zone), Date.parse(from), 16)
        const gaps = times.slice(1).map((ms, i) => (ms - times[i]!) / 60_000)
        assert.deepEqual(gaps, Array(15).fill(30))
      }
    })

    test(`looking back finds what looking forward found in ${zone}`, () => {
      for (const from of [spring, autumn]) {
        for (const expression of ['30 2 * * *', '15 1 * * *', '*/20 * * * *', '0 */2 * * *']) {
          const timed = cron(expression, zone)
          for (const [i, ms] of preview(timed, Date.parse(from), 40).entries()) {
            assert.equal(lastPlanned(timed, ms), ms, `${expression}, time ${i}: ${new Date(ms).toISOString()}`)
            assert.equal(lastPlanned(timed, nextPlanned(timed, ms)! - 1), ms, `${expression}, just before the next`)
          }
        }
      }
    })
  }
})

describe('cronProblem()', () => {
  const problem = (expression: string, timeZone = 'UTC') => cronProblem({ kind: 'cron', expression, timeZone })
  test('takes five fields, six with seconds, and nicknames', () => {
    for (const good of ['* * * * *', '*/10 * * * * *', '@daily', '0 9 * * MON-FRI', '0 0 L * *']) {
      assert.equal(problem(good), undefined, good)
    }
  })
  test('names what is wrong', () => {
    assert.match(problem('* * *')!, /five/)
    assert.match(problem('61 * * * *')!, /61|range/i)
    assert.match(problem('2026-01-01T00:00:00')!, /date/)
    assert.match(problem('* * * * *', 'Mars/Olympus')!, /Mars\/Olympus/)
  })
})

describe('planned times', () => {
  const every = (everyMs: number, options: Partial<ScheduleOptions> = {}) => ({
    timing: { kind: 'every', everyMs, anchorMs: 1000 } as const,
    options: makeOptions(options),
  })

  test('of an interval count from its anchor, which is the first', () => {
    assert.deepEqual(preview(every(300), 0, 3), [1000, 1300, 1600])
    assert.equal(nextPlanned(every(300), 1000), 1300)
    assert.equal(nextPlanned(every(300), 1299), 1300)
    assert.equal(lastPlanned(every(300), 1299), 1000)
    assert.equal(lastPlanned(every(300), 999), undefined)
  })

  test('keep within the start (included) and the end (not included)', () => {
    const timed = every(300, { startAtMs: 1600, endAtMs: 2200 })
    assert.deepEqual(preview(timed, 0, 10), [1600, 1900])
    assert.equal(lastPlanned(timed, 9999), 1900)
    assert.equal(lastPlanned(timed, 1500), undefined)
    const daily = cron('0 0 * * *', 'UTC', { startAtMs: Date.UTC(2026, 5, 1), endAtMs: Date.UTC(2026, 5, 3) })
    assert.deepEqual(timesOf(daily, '2026-01-01T00:00Z', 5), ['2026-06-01T00:00Z', '2026-06-02T00:00Z'])
  })

  test('of a single time are that time', () => {
    const once = { timing: { kind: 'at', atMs: 5000 } as const, options: makeOptions() }
    assert.deepEqual(preview(once, 0, 5), [5000])
    assert.equal(nextPlanned(once, 5000), undefined)
  })

  test('are shifted by a jitter that is fixed, bounded and spread', () => {
    const shifts = Array.from({ length: 1000 }, (_, i) => dueAt('a', i * 1000, 100) - i * 1000)
    assert.ok(shifts.every((shift) => shift >= 0 && shift < 100))
    const mean = shifts.reduce((sum, shift) => sum + shift, 0) / shifts.length
    assert.ok(mean > 40 && mean < 60, `mean ${mean}`)
    assert.equal(dueAt('a', 7000, 100), dueAt('a', 7000, 100))
    assert.equal(dueAt('a', 7000, 0), 7000)
  })
})
