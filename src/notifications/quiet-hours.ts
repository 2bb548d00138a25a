/** When a member is to be told, after his own wall clock. */
import { Cron } from 'croner'
import { isAtLeast, type Severity } from './catalogue.ts'
import type { DigestRhythm, Preferences, QuietHours } from './types.ts'

const HOUR_MS = 3_600_000
const MINUTE_MS = 60_000
const DAY_MINUTES = 1440

const minutesOf = (time: string): number => Number(time.slice(0, 2)) * 60 + Number(time.slice(3, 5))

/** Minutes since midnight on the clocks of a zone. */
const localMinutes = (timeZone: string, atMs: number): number => {
  const format = new Intl.DateTimeFormat('en-GB', { timeZone, hour: '2-digit', minute: '2-digit', hourCycle: 'h23' })
  return minutesOf(format.format(atMs))
}

const nextAt = (pattern: string, timeZone: string, nowMs: number): number => {
  const next = new Cron(pattern, { timezone: timeZone, paused: true }).nextRun(new Date(nowMs))
  return next?.getTime() ?? nowMs
}

const daily = (time: string): string => `${Number(time.slice(3, 5))} ${Number(time.slice(0, 2))} * * *`

/** The end of the quiet hours that it is now; undefined outside of them. */
export const quietUntil = ({ from, to }: QuietHours, timeZone: string, nowMs: number): number | undefined => {
  const [start, end, now] = [minutesOf(from), minutesOf(to), localMinutes(timeZone, nowMs)]
  const isQuiet = start <= end ? now >= start && now < end : now >= start || now < end
  if (!isQuiet) return undefined
  const nextMs = nextAt(daily(to), timeZone, nowMs)
  // Where clocks are put back, the end comes twice; after its first time the next one is that of the next day.
  const leftMs = ((end - now + DAY_MINUTES) % DAY_MINUTES) * MINUTE_MS
  return nextMs - nowMs > leftMs + 2 * HOUR_MS ? nowMs + leftMs : nextMs
}

const nextDigest = (rhythm: DigestRhythm, timeZone: string, nowMs: number): number =>
  nextAt(rhythm.every === 'hour' ? '0 * * * *' : daily(rhythm.at), timeZone, nowMs)

export interface Plan {
  readonly dueAtMs: number
  /** Told together with what else has come until then. */
  readonly isDigest: boolean
}

/** When what happens now is told to a member with these preferences. */
export const planFor = (preferences: Preferences, severity: Severity, nowMs: number): Plan => {
  const { timeZone, quietHours, digest, errorsAtOnce } = preferences
  if (errorsAtOnce && isAtLeast(severity, 'error')) return { dueAtMs: nowMs, isDigest: false }
  const wantedMs = digest ? nextDigest(digest, timeZone, nowMs) : nowMs
  const dueAtMs = (quietHours && quietUntil(quietHours, timeZone, wantedMs)) ?? wantedMs
  return { dueAtMs, isDigest: digest !== null }
}
