import assert from 'node:assert/strict'
import test from 'node:test'
import { planFor, quietUntil } from './quiet-hours.ts'
import type { Preferences } from './types.ts'

const at = (text: string): number => Date.parse(text)
const iso = (ms: number | undefined): string | undefined => (ms === undefined ? undefined : new Date(ms).toISOString())
const NIGHT = { from: '22:00', to: '07:00' }
const plain: Preferences = { channelId: null, timeZone: 'UTC', quietHours: null, digest: null, errorsAtOnce: false }

test('quiet hours over midnight end in the morning of the zone, and not elsewhere', () => {
  const until = (text: string, zone: string) => iso(quietUntil(NIGHT, zone, at(text)))
  assert.equal(until('2026-06-01T20:30:00Z', 'Europe/Berlin'), '2026-06-02T05:00:00.000Z')
  assert.equal(until('2026-06-01T04:59:59Z', 'Europe/Berlin'), '2026-06-01T05:00:00.000Z')
  assert.equal(until('2026-06-01T05:00:00Z', 'Europe/Berlin'), undefined)
  assert.equal(until('2026-06-01T20:30:00Z', 'America/New_York'), undefined)
  assert.equal(until('2026-06-01T20:30:00Z', 'Asia/Kolkata'), '2026-06-02T01:30:00.000Z')
})

test('quiet hours within a day', () => {
  const lunch = { from: '12:00', to: '13:00' }
  assert.equal(iso(quietUntil(lunch, 'UTC', at('2026-06-01T12:00:00Z'))), '2026-06-01T13:00:00.000Z')
  assert.equal(quietUntil(lunch, 'UTC', at('2026-06-01T11:59:59Z')), undefined)
  assert.equal(quietUntil(lunch, 'UTC', at('2026-06-01T13:00:00Z')), undefined)
})

test('a night that daylight saving makes longer or shorter ends by the wall clock', () => {
  // Clocks go forward at 01:00Z: the night has an hour less.
  assert.equal(iso(quietUntil(NIGHT, 'Europe/Berlin', at('2026-03-28T22:00:00Z'))), '2026-03-29T05:00:00.000Z')
  // Clocks go back at 01:00Z: an hour more.
  assert.equal(iso(quietUntil(NIGHT, 'Europe/Berlin', at('2026-10-24T21:00:00Z'))), '2026-10-25T06:00:00.000Z')
  assert.equal(iso(quietUntil(NIGHT, 'America/New_York', at('2026-11-01T03:00:00Z'))), '2026-11-01T12:00:00.000Z')
})

test('an end that comes twice, or not at all, keeps nobody waiting for a day', () => {
  const early = { from: '22:00', to: '02:30' }
  // 02:10 for the second time; the first 02:30 is past.
  assert.equal(iso(quietUntil(early, 'Europe/Berlin', at('2026-10-25T01:10:00Z'))), '2026-10-25T01:30:00.000Z')
  // There is no 02:30 on this day.
  assert.equal(iso(quietUntil(early, 'Europe/Berlin', at('2026-03-29T00:30:00Z'))), '2026-03-29T01:00:00.000Z')
})

test('a digest is told at the next full hour, or at its time of the day', () => {
  const now = at('2026-06-01T10:20:00Z')
  const due = (preferences: Partial<Preferences>) => {
    const plan = planFor({ ...plain, ...preferences }, 'info', now)
    return [iso(plan.dueAtMs), plan.isDigest]
  }
  assert.deepEqual(due({}), ['2026-06-01T10:20:00.000Z', false])
  assert.deepEqual(due({ digest: { every: 'hour' } }), ['2026-06-01T11:00:00.000Z', true])
  assert.deepEqual(due({ digest: { every: 'hour' }, timeZone: 'Asia/Kolkata' }), ['2026-06-01T10:30:00.000Z', true])
  const daily = { every: 'day', at: '08:00' } as const
  assert.deepEqual(due({ digest: daily, timeZone: 'Europe/Berlin' }), ['2026-06-02T06:00:00.000Z', true])
  // It falls into the quiet hours: told when they end.
  assert.deepEqual(due({ digest: { every: 'hour' }, quietHours: { from: '10:30', to: '15:00' } }), [
    '2026-06-01T15:00:00.000Z',
    true,
  ])
})

test('errors come at once for those who want them so', () => {
  const now = at('2026-06-01T23:00:00Z')
  const wishes: Preferences = { ...plain, quietHours: NIGHT, digest: { every: 'hour' } }
  assert.deepEqual(planFor({ ...wishes, errorsAtOnce: true }, 'error', now), { dueAtMs: now, isDigest: false })
  assert.equal(iso(planFor({ ...wishes, errorsAtOnce: true }, 'warning', now).dueAtMs), '2026-06-02T07:00:00.000Z')
  assert.equal(iso(planFor(wishes, 'error', now).dueAtMs), '2026-06-02T07:00:00.000Z')
})
