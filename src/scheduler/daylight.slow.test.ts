import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { before, describe, test } from 'node:test'
import { DATABASES, type TestDatabase } from '../../test/support/databases.ts'
import { makeFakeClock } from '../platform/clock.ts'
import { makeHandTargets, makeTestSchedules } from './testing.ts'
import { MISSED, OVERLAPS, type Overlap } from './types.ts'

const MIN = 60_000
const HOUR = 60 * MIN
const DAY = 24 * HOUR
/** Of what a fire starts: no multiple of the beat. */
const LASTS_MS = 70 * MIN

/** The nights on which the clocks change, and times of day that are leapt over, or come twice, on them. */
const NIGHTS = [
  { zone: 'Europe/Berlin', noonBefore: '2026-03-28T11:00Z', at: ['01:30', '02:30', '03:10'] },
  { zone: 'Europe/Berlin', noonBefore: '2026-10-24T10:00Z', at: ['01:30', '02:30', '03:10'] },
  { zone: 'America/New_York', noonBefore: '2026-03-07T17:00Z', at: ['00:50', '02:30', '03:10'] },
  { zone: 'America/New_York', noonBefore: '2026-10-31T16:00Z', at: ['00:50', '01:30', '02:10'] },
  { zone: 'Australia/Lord_Howe', noonBefore: '2026-10-03T01:30Z', at: ['01:10', '02:10', '02:50'] },
  { zone: 'Australia/Lord_Howe', noonBefore: '2026-04-04T01:00Z', at: ['01:10', '01:40', '02:20'] },
] as const

/**
 * What the rule says, reckoned minute by minute from what clocks on the wall show: a time of day fires at its first moment of the day, or
 * at the first moment after it on a day that has none.
 */
const wallTimes = (zone: string, at: readonly string[], fromMs: number, untilMs: number): number[] => {
  const format = new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short', timeStyle: 'short' })
  const times = new Set<number>()
  const passed = new Set<string>()
  let [lastDay, lastTime] = format.format(fromMs - MIN).split(' ') as [string, string]
  for (let ms = fromMs; ms <= untilMs; ms += MIN) {
    const [day, time] = format.format(ms).split(' ') as [string, string]
    for (const wanted of at) {
      const name = `${day} ${wanted}`
      const isNow = time === wanted || (day === lastDay && lastTime < wanted && wanted < time)
      if (!isNow || passed.has(name)) continue
      passed.add(name)
      times.add(ms)
    }
    lastDay = day
    lastTime = time
  }
  return [...times]
}

/** When what each time asks for starts, by the words of the policy, if everything takes that long and obeys a cancellation at once. */
const startsBy = (overlap: Overlap, times: readonly number[]): [planned: number, start: number][] => {
  const starts: [number, number][] = []
  let freeAtMs = 0
  for (const ms of times) {
    const waiting = starts.filter(([, startMs]) => startMs > ms).length
    if (overlap === 'allow' || overlap === 'cancel-previous' || freeAtMs <= ms) starts.push([ms, ms])
    else if (overlap === 'queue-all' || (overlap === 'queue-one' && waiting === 0)) starts.push([ms, freeAtMs])
    freeAtMs = (starts.at(-1)?.[1] ?? 0) + LASTS_MS
  }
  return starts
}

const cronOf = (time: string): string => `${Number(time.slice(3))} ${Number(time.slice(0, 2))} * * *`
const iso = (ms: number): string => new Date(ms).toISOString().slice(0, 16)
const showStart = ([plannedMs, startMs]: [number, number]): string => `${iso(plannedMs)} at ${iso(startMs)}`
const inOrder = (times: readonly number[]): number[] => times.toSorted((a, b) => a - b)

test('the wall clock of the oracle leaps and repeats as it should', () => {
  const [spring, autumn] = NIGHTS.slice(0, 2) as [(typeof NIGHTS)[0], (typeof NIGHTS)[1]]
  const timesOf = ({ zone, noonBefore, at }: (typeof NIGHTS)[number]) =>
    wallTimes(zone, at, Date.parse(noonBefore), Date.parse(noonBefore) + DAY).map(iso)
  assert.deepEqual(timesOf(spring), ['2026-03-29T00:30', '2026-03-29T01:00', '2026-03-29T01:10'])
  assert.deepEqual(timesOf(autumn), ['2026-10-24T23:30', '2026-10-25T00:30', '2026-10-25T02:10'])
})

for (const kind of DATABASES) {
  describe(`policies over changes to and from daylight saving on ${kind.name}`, () => {
    let database: TestDatabase
    before(async () => {
      database = await kind.open()
    })

    const setUp = async (startMs: number) => {
      const tenantId = randomUUID()
      const clock = makeFakeClock(startMs)
      const targets = makeHandTargets()
      const cancel: typeof targets.cancel = async (_, { id }) => {
        targets.end(
          targets.started.findIndex(({ idempotencyKey }) => idempotencyKey === id),
          'cancelled',
        )
      }
      const service = makeTestSchedules({ ...database, clock, targets: { ...targets, cancel } })
      const plannedOf = (key: string) => Number(key.split(':')[2])
      return { tenantId, clock, targets, service, plannedOf }
    }

    for (const { zone, noonBefore, at } of NIGHTS) {
      const startMs = Date.parse(noonBefore)
      const night = `in ${zone} on ${noonBefore.slice(0, 10)}`

      for (const overlap of OVERLAPS) {
        test(`${overlap} ${night}`, async () => {
          // From nine in the evening, every half hour: that night is longer or shorter than others, and the beat is not.
          const firstMs = startMs + 9 * HOUR
          const { tenantId, clock, service, targets, plannedOf } = await setUp(firstMs)
          const timing = { cron: '*/30 * * * *', timeZone: zone }
          const request = { name: 'night', timing, target: { task: 'ring' }, overlap, missed: 'fire-all' } as const
          await service.create(tenantId, null, request)
          const starts: [number, number][] = []
          while (clock.now() < firstMs + 9 * HOUR) {
            clock.advance(10 * MIN)
            for (const [i, [, ms]] of starts.entries()) if (ms + LASTS_MS === clock.now()) targets.end(i, 'completed')
            await service.sweep()
            for (const { idempotencyKey } of targets.started.slice(starts.length)) {
              starts.push([plannedOf(idempotencyKey), clock.now()])
            }
          }
          const beat = Array.from({ length: 18 }, (_, i) => firstMs + (i + 1) * 30 * MIN)
          const expected = startsBy(overlap, beat).filter(([, ms]) => ms <= clock.now())
          assert.deepEqual(starts.map(showStart), expected.map(showStart))
          await service.remove(tenantId, 'night')
        })
      }

      for (const missed of MISSED) {
        test(`${missed} ${night}`, async () => {
          // Nobody looks from noon to noon; then all times of that night have passed.
          const { tenantId, clock, targets, service, plannedOf } = await setUp(startMs)
          const fired = () =>
            inOrder(targets.started.splice(0).map(({ idempotencyKey }) => plannedOf(idempotencyKey))).map(iso)
          const rest = { target: { task: 'ring' }, missed, overlap: 'allow', catchUp: '3 days' } as const
          for (const time of at) {
            await service.create(tenantId, null, {
              name: `at-${time.replace(':', '')}`,
              timing: { cron: cronOf(time), timeZone: zone },
              ...rest,
            })
          }
          clock.advance(2 * DAY)
          await service.sweep()
          const nights = at.map((time) => wallTimes(zone, [time], startMs, clock.now()))
          assert.ok(nights.every((times) => times.length === 2))
          const expected = {
            skip: [],
            'fire-once': nights.flatMap((times) => times.slice(-1)),
            'fire-all': nights.flat(),
          }
          assert.deepEqual(fired(), inOrder(expected[missed]).map(iso))
          // From then on all is as if nothing had been.
          const coming = wallTimes(zone, at, clock.now() + MIN, clock.now() + DAY)
          assert.equal(coming.length, at.length)
          for (const ms of coming) {
            clock.advance(ms - clock.now() - 1)
            await service.sweep()
            assert.deepEqual(fired(), [])
            clock.advance(1)
            await service.sweep()
            assert.deepEqual(fired(), [iso(ms)])
          }
          for (const time of at) await service.remove(tenantId, `at-${time.replace(':', '')}`)
        })
      }
    }
  })
}
