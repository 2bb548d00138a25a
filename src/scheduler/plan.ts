/** Which planned times fire now, and which were missed: the missed-fire policies, as a pure function of the schedule and the time. */
import { dueAt, lastPlanned, nextPlanned } from './timing.ts'
import type { Schedule } from './types.ts'

/** A fire that is found later than this was missed; up to then it is only late. */
const ON_TIME_MS = 60_000
/** Times claimed in one transaction; what is left is claimed by the next sweep. */
const FIRES_AT_ONCE = 100
/** Skipped times are counted up to here: an unbounded count could hold up the process for seconds. */
const COUNTED_MAX = 1000

/** Planned times passed over together. */
export interface MissedTimes {
  readonly fromMs: number
  readonly untilMs: number
  /** Null: more than are worth counting. */
  readonly count: number | null
}

export interface FirePlan {
  readonly fire: readonly number[]
  readonly missed: MissedTimes | undefined
  /** The first time that this plan leaves open; the limit on fires is not looked at. */
  readonly nextPlannedMs: number | null
}

type Plannable = Pick<Schedule, 'id' | 'timing' | 'options' | 'nextPlannedMs' | 'fires'>

/** Of an active schedule, whose next time is due. */
export const planFires = (schedule: Plannable, nowMs: number): FirePlan => {
  const firstMs = schedule.nextPlannedMs
  if (firstMs === null) return { fire: [], missed: undefined, nextPlannedMs: null }
  const hasMissed = due(schedule, firstMs) < nowMs - ON_TIME_MS
  const fromMs = hasMissed && schedule.options.missed === 'fire-once' ? latestDue(schedule, firstMs, nowMs) : firstMs
  const openMs = firstWithin(schedule, fromMs, nowMs)
  const fire: number[] = []
  let nextMs = openMs
  const left = (schedule.options.maxFires ?? Number.POSITIVE_INFINITY) - schedule.fires
  while (nextMs !== undefined && fire.length < Math.min(FIRES_AT_ONCE, left) && due(schedule, nextMs) <= nowMs) {
    fire.push(nextMs)
    nextMs = nextPlanned(schedule, nextMs)
  }
  return { fire, missed: missedBetween(schedule, firstMs, openMs, nowMs), nextPlannedMs: nextMs ?? null }
}

const due = ({ id, options }: Plannable, plannedMs: number): number => dueAt(id, plannedMs, options.jitterMs)

/** The last time whose fire is due, which stands for all before it. */
const latestDue = (schedule: Plannable, firstMs: number, nowMs: number): number => {
  for (let lastMs = lastPlanned(schedule, nowMs); lastMs !== undefined && lastMs > firstMs; ) {
    if (due(schedule, lastMs) <= nowMs) return lastMs
    lastMs = lastPlanned(schedule, lastMs - 1)
  }
  return firstMs
}

/** The first time from `fromMs` on that is not too old. */
const firstWithin = (schedule: Plannable, fromMs: number, nowMs: number): number | undefined => {
  const { missed, catchUpMs, jitterMs } = schedule.options
  const oldestMs = nowMs - (missed === 'skip' ? Math.min(ON_TIME_MS, catchUpMs) : catchUpMs)
  let openMs: number | undefined = fromMs
  // Whatever the jitter, nothing planned before that is young enough: a leap instead of many steps.
  if (fromMs < oldestMs - jitterMs) openMs = nextPlanned(schedule, oldestMs - jitterMs - 1)
  while (openMs !== undefined && due(schedule, openMs) < oldestMs) openMs = nextPlanned(schedule, openMs)
  return openMs
}

const missedBetween = (
  schedule: Plannable,
  firstMs: number,
  openMs: number | undefined,
  nowMs: number,
): MissedTimes | undefined => {
  if (openMs === firstMs) return undefined
  const untilMs = lastPlanned(schedule, openMs === undefined ? nowMs : openMs - 1) ?? firstMs
  let count = 1
  for (let ms: number | undefined = firstMs; count <= COUNTED_MAX; count++) {
    ms = nextPlanned(schedule, ms)
    if (ms === undefined || ms > untilMs) return { fromMs: firstMs, untilMs, count }
  }
  return { fromMs: firstMs, untilMs, count: null }
}
