/** What follows from the end of an attempt, as writes and events: completed, tried again, failed or dead. */
import { type ErrorRecord, nextAttemptMs, toErrorRecord } from '../engine/index.ts'
import type { Write } from '../platform/db/statements.ts'
import type { NewEvent } from '../platform/events/event.ts'
import type { Json } from '../platform/json.ts'
import { waitDeadline } from './outside.ts'
import { finishTask, insertDeadLetter, parkTask, requeueTask, rescheduleTask, type TaskEnd } from './rows.ts'
import type { DeadLetter, Task } from './types.ts'

export interface Outcome {
  readonly writes: readonly Write[]
  readonly events: readonly NewEvent[]
  /** Set when the task has ended: what a run is told; `written` where that is all that is written. */
  readonly end?: { readonly outcome: 'ok' | 'error'; readonly value: Json; readonly written?: TaskEnd }
  /** When a task that waits for its answer has waited too long. */
  readonly deadlineAtMs?: number | null
  /** When the next attempt is due. */
  readonly retryAtMs?: number
  /** The task is dead. */
  readonly letter?: DeadLetter
}

export interface OutcomeTools {
  readonly nowMs: number
  readonly random: () => number
  readonly makeId: () => string
}

/** Losses with the process after which a task counts as poison: it probably kills whoever takes it. */
const LOST_MAX = 5

export const taskEvent = (task: Task, type: string, data: NewEvent['data'], nowMs: number): NewEvent => ({
  tenantId: task.tenantId,
  projectId: task.projectId,
  runId: task.runId,
  taskId: task.id,
  type,
  data: { kind: task.kind, ...(task.stepKey === null ? {} : { step: task.stepKey }), ...data },
  atMs: nowMs,
})

const durationMs = (task: Task, nowMs: number): number => nowMs - (task.startedAtMs ?? nowMs)

export const completed = (task: Task, outputText: string, { nowMs }: OutcomeTools): Outcome => {
  if (task.settings.waitForToken) {
    const deadlineAtMs = waitDeadline(task, nowMs)
    return {
      deadlineAtMs,
      writes: [parkTask(task.id, deadlineAtMs)],
      events: [taskEvent(task, 'task.waiting', { attempt: task.attempt }, nowMs)],
    }
  }
  const data = { attempt: task.attempt, durationMs: durationMs(task, nowMs) }
  const written: TaskEnd = { status: 'completed', outputText, error: null, atMs: nowMs }
  return {
    writes: [finishTask(task.id, written)],
    events: [taskEvent(task, 'task.completed', data, nowMs)],
    end: { outcome: 'ok', value: JSON.parse(outputText) as Json, written },
  }
}

/** The end of a task without success, for a reason other than a failed attempt as well. */
export const ended = (task: Task, error: ErrorRecord, reason: DeadLetter['reason'], tools: OutcomeTools): Outcome => {
  const { nowMs } = tools
  const status = task.runId === null ? ('dead' as const) : ('failed' as const)
  const value = error as unknown as Json
  const facts = { attempt: task.attempt, durationMs: durationMs(task, nowMs), reason, error: value }
  const written: TaskEnd = { status, outputText: null, error, atMs: nowMs }
  const writes = [finishTask(task.id, written)]
  let letter: DeadLetter | undefined
  if (status === 'dead') {
    const { tenantId, projectId, kind, id: taskId, attempt: attempts } = task
    const base = { id: tools.makeId(), tenantId, projectId, taskId, kind, attempts, reason, error }
    letter = { ...base, status: 'dead', createdAtMs: nowMs, resolvedAtMs: null }
    writes.push(insertDeadLetter(letter))
  }
  const events = [taskEvent(task, `task.${status}`, facts, nowMs)]
  return { writes, events, end: { outcome: 'error', value, written }, ...(letter && { letter }) }
}

export const failed = (task: Task, error: unknown, tools: OutcomeTools): Outcome => {
  const { nowMs } = tools
  const { retry } = task.settings
  const counted = task.attempt - task.lost
  const record = toErrorRecord(error)
  const isLate = (waitMs: number): boolean => task.deadlineAtMs !== null && nowMs + waitMs >= task.deadlineAtMs
  const waitMs = nextAttemptMs(retry, counted, error, tools.random)
  if (record.code === 'task_deadline_passed' || (waitMs !== undefined && isLate(waitMs))) {
    return ended(task, record, 'deadline_passed', tools)
  }
  if (waitMs === undefined) {
    return ended(task, record, counted >= retry.attempts ? 'attempts_used_up' : 'not_retryable', tools)
  }
  const retryAtMs = nowMs + waitMs
  const facts = {
    attempt: task.attempt,
    durationMs: durationMs(task, nowMs),
    retryAtMs,
    error: record as unknown as Json,
  }
  return {
    writes: [rescheduleTask(task.id, retryAtMs, record)],
    events: [taskEvent(task, 'task.retrying', facts, nowMs)],
    retryAtMs,
  }
}

/** The attempt's process died, or let go of it at its stop: made again, unless it was lost too often to be an accident. */
export const lost = (task: Task, error: ErrorRecord, tools: OutcomeTools): Outcome => {
  if (error.code === 'worker_lost' && task.lost + 1 >= LOST_MAX) return ended(task, error, 'worker_lost', tools)
  const facts = { attempt: task.attempt, error: error as unknown as Json }
  return {
    writes: [requeueTask(task.id, tools.nowMs)],
    events: [taskEvent(task, 'task.requeued', facts, tools.nowMs)],
    retryAtMs: tools.nowMs,
  }
}

/** Whether that is how the task has ended. */
export const isEndOf = (task: Task | undefined, { end }: Outcome): boolean =>
  end?.written !== undefined && task?.status === end.written.status && task.finishedAtMs === end.written.atMs
