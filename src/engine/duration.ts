/** Durations as people write them: a number of milliseconds or a text such as `2 days` or `1h 30m`. */
import { engineErrors } from './errors.ts'

export type Duration = number | string

const UNITS_MS: Readonly<Record<string, number>> = {
  ms: 1,
  millisecond: 1,
  s: 1000,
  sec: 1000,
  second: 1000,
  m: 60_000,
  min: 60_000,
  minute: 60_000,
  h: 3_600_000,
  hour: 3_600_000,
  d: 86_400_000,
  day: 86_400_000,
  w: 604_800_000,
  week: 604_800_000,
}

const PART = /(\d+(?:\.\d+)?)\s*([a-z]+)/g

const unitMs = (unit: string): number | undefined =>
  UNITS_MS[unit] ?? (unit.endsWith('s') ? UNITS_MS[unit.slice(0, -1)] : undefined)

/** A hundred years: longer than any wait that is meant, and within what a date can hold. */
export const LONGEST_DURATION_MS = 3_155_760_000_000

const readMs = (duration: Duration): number | undefined => {
  if (typeof duration === 'number') return Number.isFinite(duration) && duration >= 0 ? duration : undefined
  if (typeof duration !== 'string') return undefined
  const text = duration.trim().toLowerCase()
  const parts = [...text.matchAll(PART)]
  const covered = parts.map((part) => part[0]).join('').length
  if (parts.length === 0 || covered !== text.replace(/\s+(?=\d)/g, '').length) return undefined
  const sumMs = parts.reduce((sum, [, count, unit]) => sum + Number(count) * (unitMs(unit as string) ?? Number.NaN), 0)
  return Number.isNaN(sumMs) ? undefined : sumMs
}

/** Whole milliseconds of a duration. Throws `duration_invalid`, naming the `field` that it is of. */
export const parseDuration = (duration: Duration, field?: string): number => {
  const ms = readMs(duration)
  const what = `${field === undefined ? '' : `${field}: `}${JSON.stringify(duration)}`
  if (ms === undefined) {
    throw engineErrors.duration_invalid(
      `${what} is not a duration; write milliseconds as a number, or a text such as "500 ms", "2 days" or "1h 30m"`,
    )
  }
  if (ms > LONGEST_DURATION_MS) {
    throw engineErrors.duration_invalid(`${what} is too long; allowed: up to 100 years (${LONGEST_DURATION_MS} ms)`)
  }
  return Math.ceil(ms)
}
