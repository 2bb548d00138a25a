/**
 * Commits a turn. An outage of the database is waited out, so that what steps have done is not done again; when the turn is refused
 * because one of its tasks was ended by somebody else, the results of its steps are kept all the same.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Clock } from '../platform/clock.ts'
import { isOutage, isStaleWrite, isUniqueViolation, mayWorkSoon } from '../platform/db/errors.ts'
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
  readonly ended: TaskPort['ended']
  /** Nobody waits for the turn any more. */
  isOver(): boolean
}

const RETRY_MS = 250

/** Rejects when the database refuses, or fails in a way that will not pass. */
const throughOutages = async <T>(work: () => Promise<T>, { clock, isOver }: TurnCommitEnv): Promise<T> => {
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (!mayWorkSoon(error) || isOver()) throw error
      await new Promise<void>((resolve) => clock.after(RETRY_MS, resolve))
      if (isOver()) throw error
    }
  }
}

/**
 * Resolves when the turn is durable. The end of a task in it may have been committed meanwhile by the process that did it: then it need
 * not be in the turn. It may also be the turn itself that has written it, where the answer to its commit was lost.
 */
export const commitTurn = async (turn: Unit, told: readonly FinishedTask[], env: TurnCommitEnv): Promise<void> => {
  let isUnanswered = false
  const commit = async (unit: Unit): Promise<void> => {
    try {
      await env.commit(unit)
    } catch (error) {
      // The connection broke after the commit and before its answer: what stands in the way are the turn's own rows.
      if (isUnanswered && isUniqueViolation(error)) return
      isUnanswered ||= isOutage(error)
      throw error
    }
  }
  for (let unit = turn; ; ) {
    try {
      return await throughOutages(() => commit(unit), env)
    } catch (error) {
      const rest = isStaleTask(error) && (await throughOutages(() => withoutSettled(unit, told, env.ended), env))
      if (!rest) throw error
      unit = rest
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
const withoutSettled = async (
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
