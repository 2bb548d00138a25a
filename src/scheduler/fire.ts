/** A fire before anybody has seen it: its time, its key and what it will ask for. */
import { toErrorRecord } from '../engine/index.ts'
import type { Json } from '../platform/json.ts'
import type { MissedTimes } from './plan.ts'
import { compileTemplate, type Template } from './template.ts'
import { dueAt } from './timing.ts'
import type { Fire, FireCause, Schedule } from './types.ts'

/** How long whoever claimed a fire has to start it; then anybody does. */
export const START_WITHIN_MS = 3_000
/** A fire in the queue is woken by the end of the one before it, not by time. */
export const NEVER_MS = Number.MAX_SAFE_INTEGER

/** What makes a fire happen once, whoever starts it and how often. */
export const fireKey = (scheduleId: string, plannedAtMs: number): string => `schedule:${scheduleId}:${plannedAtMs}`

interface Draft {
  readonly plannedAtMs: number
  readonly cause: FireCause
  readonly nowMs: number
}

const blank = (schedule: Schedule, plannedAtMs: number, cause: FireCause): Fire => ({
  scheduleId: schedule.id,
  tenantId: schedule.tenantId,
  plannedAtMs,
  cause,
  status: 'due',
  reason: null,
  count: null,
  untilMs: null,
  dueAtMs: plannedAtMs,
  request: null,
  wakeAtMs: null,
  tries: 0,
  startedAtMs: null,
  finishedAtMs: null,
  ref: null,
  error: null,
})

/**
 * Makes fires of a schedule: `due`, or `failed` when the input cannot be made. `input` is one to take instead of the schedule's own; its
 * expressions are read once for all of them.
 */
export const makeDrafts = (schedule: Schedule, input: Json = schedule.input) => {
  const { target, options } = schedule
  let template: Template | undefined
  return async ({ plannedAtMs, cause, nowMs }: Draft): Promise<Fire> => {
    // What a pause has held back, or a change, was not due before its end.
    const dueAtMs =
      cause === 'planned' ? Math.max(dueAt(schedule.id, plannedAtMs, options.jitterMs), schedule.updatedAtMs) : nowMs
    const fire: Fire = { ...blank(schedule, plannedAtMs, cause), dueAtMs }
    const facts = {
      plannedAt: new Date(plannedAtMs).toISOString(),
      plannedAtMs,
      schedule: schedule.name,
      cause,
      key: fireKey(schedule.id, plannedAtMs),
    }
    try {
      template ??= compileTemplate(input)
      const { priority, timeoutMs } = options
      const request = { target, input: await template(facts), priority, timeoutMs }
      return { ...fire, request, wakeAtMs: nowMs + START_WITHIN_MS }
    } catch (error) {
      return { ...fire, status: 'failed', finishedAtMs: nowMs, error: toErrorRecord(error) }
    }
  }
}

/** One row for all the times that were passed over. */
export const missedFire = (schedule: Schedule, { fromMs, untilMs, count }: MissedTimes, nowMs: number): Fire => ({
  ...blank(schedule, fromMs, 'planned'),
  status: 'skipped',
  reason: 'missed',
  count,
  untilMs,
  finishedAtMs: nowMs,
})
