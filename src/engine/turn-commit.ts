/**
 * Commits a turn. An outage of the database is waited out, so that what steps have done is not done again; when the turn is refused
 * because one of its tasks was ended by somebody else, the results of its steps are kept all the same.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Clock } from '../platform/clock.ts'
import { isOutage, isStaleWrite, isUniqueViolation } from '../platform/db/errors.ts'
import type { Unit } from '../platform/db/group-commit.ts'
import type { NewEvent } from '../platform/events/event.ts'
import type { Told } from './news.ts'
import { insertJournal } from './rows.ts'
import type { FinishedTask, TaskPort } from './task-port.ts'
import { fenceOf } from './turn.ts'
import type { Run } from './types.ts'

export interface TurnCommitEnv {
  readonly clock: Clock
  commit(unit: Unit): Promise<void>
  /** Nobody waits for the turn any more. */
  isOver(): boolean
}

const RETRY_MS = 250

/** Resolves when the unit is durable; rejects when it was refused, or the database fails in a way that will not pass. */
export const commitThroughOutages = async (unit: Unit, { clock, commit, isOver }: TurnCommitEnv): Promise<void> => {
  for (let tries = 0; ; tries++) {
    try {
      return await commit(unit)
    } catch (error) {
      // The connection broke after the commit and before its answer: what stands in the way are the unit's own rows.
      if (tries > 0 && isUniqueViolation(error)) return
      if (!isOutage(error) || isOver()) throw error
      await new Promise<void>((resolve) => clock.after(RETRY_MS, resolve))
      if (isOver()) throw error
    }
  }
}

/** Whether it was one of the turn's tasks that was stale, and not the run itself. */
export const isStaleTask = (error: unknown): boolean =>
  isStaleWrite(error) && (error as { details?: { table?: string } }).details?.table === 'tasks'

/**
 * What is left of a refused turn when somebody else has committed the very ends of tasks that are in it: the same without those.
 * Undefined when there are none, so that the refusal stands.
 */
export const withoutSettled = async (
  unit: Unit,
  told: readonly FinishedTask[],
  ended: TaskPort['ended'],
): Promise<Unit | undefined> => {
  const found = new Map((await ended(told.map((task) => task.taskId))).map((result) => [result.taskId, result]))
  const settled = told.filter(({ taskId, outcome, value }) => {
    const result = found.get(taskId)
    return result?.outcome === outcome && isDeepStrictEqual(result.value, value)
  })
  const parts = new Set<unknown>(settled.flatMap(({ guards, writes, events }) => [...guards, ...writes, ...events]))
  const isOpen = (part: unknown): boolean => !parts.has(part)
  const { guards = [], writes = [], events = [] } = unit
  if (guards.every(isOpen)) return undefined
  return { guards: guards.filter(isOpen), writes: writes.filter(isOpen), events: events.filter(isOpen) }
}

/**
 * The results of steps among what a refused turn told, as a turn of its own: their commands are older than the turn, so that they
 * can be told first, whatever the rest becomes.
 */
export const stepsOnly = (run: Run, told: readonly Told[], positionBefore: number): Unit | undefined => {
  const steps = told.filter(({ news }) => news.kind === 'step' || news.kind === 'attempt')
  if (steps.length === 0) return undefined
  const { id: runId, tenantId, projectId } = run
  const writes = steps.map(({ news: { key, kind, outcome, ref, valueText }, atMs }, i) =>
    insertJournal(run, { position: positionBefore + 1 + i, key, kind, outcome, ref, atMs }, valueText),
  )
  const events: NewEvent[] = steps.flatMap(({ news: { event }, atMs }) =>
    event ? [{ tenantId, projectId, runId, taskId: null, type: event.type, data: event.data, atMs }] : [],
  )
  return { guards: [fenceOf(run)], writes, events }
}
