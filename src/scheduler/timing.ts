/** The times at which a schedule fires, as pure functions of its definition. Daylight saving is left to croner. */
import { createHash } from 'node:crypto'
import { Cron } from 'croner'
import { messageOf } from '../platform/errors.ts'
import type { ScheduleDefinition, Timing } from './types.ts'

type Timed = Pick<ScheduleDefinition, 'timing' | 'options'>

/**
 * At a fixed time of day (no `*` and no step in seconds, minutes and hours) a job fires once a day: after the gap when the clock leaps
 * over its time, and at the first of two when its time comes twice. Other jobs follow the clock as it goes.
 */
const makeCron = ({ expression, timeZone }: Timing & { kind: 'cron' }): Cron =>
  new Cron(expression, { timezone: timeZone, mode: '5-or-6-parts', fixedTimeRule: 'no-wildcard' })

/** Why an expression cannot be read, or undefined. */
export const cronProblem = (timing: Timing & { kind: 'cron' }): string | undefined => {
  try {
    const cron = makeCron(timing)
    if (cron.getOnce() !== null) return 'is a date, not a cron expression; use "at" for a single time'
    cron.nextRun(new Date(0))
    return undefined
  } catch (error) {
    const problem = messageOf(error).replace(/^Cron\w+: /, '')
    return problem.includes('separated parts') ? 'must have five fields, or six with the seconds first' : problem
  }
}

/** Why a time zone cannot be meant, or undefined. */
export const timeZoneProblem = (timeZone: string): string | undefined => {
  try {
    new Intl.DateTimeFormat('en', { timeZone })
    return undefined
  } catch {
    return 'is no time zone; allowed: names such as Europe/Berlin or UTC'
  }
}

const nextOf = (timing: Timing, afterMs: number): number | undefined => {
  if (timing.kind === 'at') return timing.atMs > afterMs ? timing.atMs : undefined
  if (timing.kind === 'cron') return makeCron(timing).nextRun(new Date(afterMs))?.getTime()
  const { everyMs, anchorMs } = timing
  // The anchor is the first time: an interval has no past before it.
  return afterMs < anchorMs ? anchorMs : anchorMs + (Math.floor((afterMs - anchorMs) / everyMs) + 1) * everyMs
}

const lastOf = (timing: Timing, untilMs: number): number | undefined => {
  if (timing.kind === 'at') return timing.atMs <= untilMs ? timing.atMs : undefined
  if (timing.kind === 'cron')
    return makeCron(timing)
      .previousRuns(1, new Date(untilMs + 1))[0]
      ?.getTime()
  const { everyMs, anchorMs } = timing
  return untilMs < anchorMs ? undefined : anchorMs + Math.floor((untilMs - anchorMs) / everyMs) * everyMs
}

/** The first planned time after `afterMs`, within the start and the end. */
export const nextPlanned = ({ timing, options }: Timed, afterMs: number): number | undefined => {
  const { startAtMs, endAtMs } = options
  const next = nextOf(timing, startAtMs === null ? afterMs : Math.max(afterMs, startAtMs - 1))
  return next === undefined || (endAtMs !== null && next >= endAtMs) ? undefined : next
}

/** The last planned time at or before `untilMs`, within the start and the end. */
export const lastPlanned = ({ timing, options }: Timed, untilMs: number): number | undefined => {
  const { startAtMs, endAtMs } = options
  const last = lastOf(timing, endAtMs === null ? untilMs : Math.min(untilMs, endAtMs - 1))
  return last === undefined || (startAtMs !== null && last < startAtMs) ? undefined : last
}

/** When the fire of a planned time is due. The jitter is a hash: the same for whoever asks, spread evenly over schedules and times. */
export const dueAt = (scheduleId: string, plannedMs: number, jitterMs: number): number => {
  if (jitterMs === 0) return plannedMs
  const hash = createHash('sha256').update(`${scheduleId}:${plannedMs}`).digest().readUInt32BE(0)
  return plannedMs + Math.floor((hash / 2 ** 32) * jitterMs)
}

/** At most `count` planned times after `afterMs`. */
export const preview = (timed: Timed, afterMs: number, count: number): number[] => {
  const times: number[] = []
  for (let last = nextPlanned(timed, afterMs); last !== undefined && times.length < count; ) {
    times.push(last)
    last = nextPlanned(timed, last)
  }
  return times
}
