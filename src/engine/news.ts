/** What a run is told: the answers to its commands, in the form in which the journal keeps them. */
import type { Json } from '../platform/json.ts'
import type { SignalCommand } from './command.ts'
import type { ErrorRecord } from './error-record.ts'
import { engineErrors, toErrorRecord } from './errors.ts'
import type { SignalRow } from './rows.ts'
import type { StepAnswer } from './step-attempt.ts'
import type { FinishedTask } from './task-port.ts'
import type { JournalKind, Run } from './types.ts'

export interface News {
  readonly key: string
  readonly kind: JournalKind
  readonly outcome: 'ok' | 'error'
  readonly value: Json
  /** What the journal keeps; null where `ref` names the row that holds it. */
  readonly valueText: string | null
  readonly ref: string | null
  readonly event?: { readonly type: string; readonly data: Record<string, Json | undefined> }
  /** The end of a task that is committed with this turn. */
  readonly task?: FinishedTask
  /** The signal itself: it is kept when nobody waits for it any more. */
  readonly signal?: SignalRow
}

/** News that the run's function was told, and when. */
export interface Told {
  readonly news: News
  readonly atMs: number
}

const errorNews = (key: string, kind: JournalKind, error: ErrorRecord, event?: News['event']): News => ({
  key,
  kind,
  outcome: 'error',
  value: error as unknown as Json,
  valueText: JSON.stringify(error),
  ref: null,
  ...(event ? { event } : {}),
})

export const CANCEL: News = {
  key: 'cancel',
  kind: 'cancel',
  outcome: 'ok',
  value: null,
  valueText: null,
  ref: null,
  event: { type: 'run.cancelling', data: {} },
}

export const taskNews = (
  key: string,
  ref: string,
  outcome: 'ok' | 'error',
  value: Json,
  task?: FinishedTask,
): News => ({
  key,
  kind: 'task',
  outcome,
  value,
  valueText: null,
  ref,
  ...(task ? { task } : {}),
})

export const resultOfChild = (child: Run): { outcome: 'ok' | 'error'; value: Json } => {
  if (child.status === 'completed') return { outcome: 'ok', value: child.output }
  const error = child.error ?? { code: `run_${child.status}`, message: `the child run was ${child.status}` }
  return { outcome: 'error', value: error as unknown as Json }
}

export const childNews = (child: Run): News => ({
  key: child.parentKey as string,
  kind: 'run',
  ...resultOfChild(child),
  valueText: null,
  ref: child.id,
})

export const childRefused = (key: string, error: unknown): News => errorNews(key, 'run', toErrorRecord(error))

export const timerNews = (key: string): News => ({
  key,
  kind: 'timer',
  outcome: 'ok',
  value: null,
  valueText: null,
  ref: null,
  event: { type: 'timer.fired', data: { timer: key } },
})

export const signalNews = (key: string, signal: SignalRow): News => ({
  key,
  kind: 'signal',
  outcome: 'ok',
  value: JSON.parse(signal.payload) as Json,
  valueText: signal.payload,
  ref: signal.id,
  event: { type: 'signal.received', data: { signal: signal.name } },
  signal,
})

export const signalTimeoutNews = ({ key, name }: SignalCommand): News =>
  errorNews(key, 'signal', toErrorRecord(engineErrors.signal_timeout(`no signal "${name}" came in time`)), {
    type: 'signal.timed_out',
    data: { signal: name },
  })

/** `nowMs` is when the attempt ended. */
export const stepNews = (
  key: string,
  answer: StepAnswer,
  facts: { attempt: number; durationMs: number; nowMs: number },
): News => {
  const { attempt, durationMs, nowMs } = facts
  if (answer.outcome === 'ok') {
    const event = { type: 'step.completed', data: { step: key, attempt, durationMs } }
    const { valueText } = answer
    return { key, kind: 'step', outcome: 'ok', value: JSON.parse(valueText) as Json, valueText, ref: null, event }
  }
  const error = answer.error as unknown as Json
  if (answer.outcome === 'error') {
    return errorNews(key, 'step', answer.error, {
      type: 'step.failed',
      data: { step: key, attempt, durationMs, error },
    })
  }
  const retryAtMs = nowMs + answer.retryInMs
  const event = { type: 'step.retrying', data: { step: key, attempt, durationMs, error, retryAtMs } }
  return { ...errorNews(key, 'attempt', answer.error, event), ref: String(retryAtMs) }
}
