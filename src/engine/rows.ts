/** How runs and their journal lie in the database: the hot statements, and the way from a row to a Run and back. */
import { insertRows, type RowValue, updateRows, type Write } from '../platform/db/statements.ts'
import type { Json } from '../platform/json.ts'
import type { Priority } from '../platform/queue/queue.ts'
import type { ErrorRecord } from './error-record.ts'
import type { JournalEntry, JournalKind, Run, RunKind, RunStatus } from './types.ts'

export type RunRow = {
  id: string
  tenant_id: string
  project_id: string | null
  kind: string
  target: string
  version: number
  status: string
  priority: number
  input: string
  output: string | null
  error: string | null
  waiting_for: string | null
  parent_run_id: string | null
  parent_key: string | null
  idempotency_key: string | null
  worker_id: string | null
  fence: number
  news: number
  wake_at: number | null
  deadline_at: number | null
  cancel_requested_at: number | null
  created_at: number
  started_at: number | null
  finished_at: number | null
}

export type JournalRow = {
  run_id: string
  position: number
  tenant_id: string
  key: string
  kind: string
  outcome: string
  value: string | null
  ref: string | null
  at: number
}

export type SignalRow = {
  id: string
  tenant_id: string
  run_id: string
  name: string
  payload: string
  created_at: number
}

export type EngineTables = {
  runs: RunRow
  journal: JournalRow
  signals: SignalRow
}

const text = 'text' as const
const bigint = 'bigint' as const

const insertRunRow = insertRows('runs', {
  id: text,
  tenant_id: text,
  project_id: text,
  kind: text,
  target: text,
  version: bigint,
  status: text,
  priority: bigint,
  input: text,
  parent_run_id: text,
  parent_key: text,
  idempotency_key: text,
  worker_id: text,
  fence: bigint,
  news: bigint,
  wake_at: bigint,
  deadline_at: bigint,
  created_at: bigint,
  started_at: bigint,
})

export const insertRun = (run: Run): Write => ({
  statement: insertRunRow,
  row: [
    run.id,
    run.tenantId,
    run.projectId,
    run.kind,
    run.target,
    run.version,
    run.status,
    run.priority,
    JSON.stringify(run.input),
    run.parentRunId,
    run.parentKey,
    run.idempotencyKey,
    run.workerId,
    run.fence,
    run.news,
    run.wakeAtMs,
    run.deadlineAtMs,
    run.createdAtMs,
    run.startedAtMs,
  ],
})

const claimRunRow = updateRows(
  'claim_run',
  'runs',
  { id: text },
  { status: text, worker_id: text, fence: bigint, wake_at: bigint, waiting_for: text, started_at: bigint },
  { expressions: { started_at: 'COALESCE(runs.started_at, $value)' } },
)

/** Makes `workerId` the owner, under the next fence. Guard with the fence that was read. */
export const claimRun = (run: Run, workerId: string, nowMs: number): Write => ({
  statement: claimRunRow,
  row: [run.id, 'running', workerId, run.fence + 1, null, null, nowMs],
})

const updateRunRow = updateRows(
  'update_run',
  'runs',
  { id: text },
  { status: text, waiting_for: text, output: text, error: text, worker_id: text, finished_at: bigint },
)

export interface RunState {
  readonly status: RunStatus
  readonly waitingFor: string | null
  /** JSON text. */
  readonly output: string | null
  readonly error: ErrorRecord | null
  readonly workerId: string | null
  readonly finishedAtMs: number | null
}

export const updateRun = (id: string, state: RunState): Write => ({
  statement: updateRunRow,
  row: [
    id,
    state.status,
    state.waitingFor,
    state.output,
    state.error && JSON.stringify(state.error),
    state.workerId,
    state.finishedAtMs,
  ],
})

/** A run that cannot go on until somebody mends what `error` tells of, and continues it. */
export const stoppedBy = (error: ErrorRecord) =>
  ({
    status: 'stopped',
    waitingFor: null,
    output: null,
    error,
    workerId: null,
    finishedAtMs: null,
  }) as const satisfies RunState

const finishRunRow = updateRows(
  'finish_run',
  'runs',
  { id: text },
  {
    status: text,
    waiting_for: text,
    output: text,
    error: text,
    worker_id: text,
    wake_at: bigint,
    finished_at: bigint,
    fence: bigint,
  },
  { add: ['fence'] },
)
/** An end is the last word: whoever read the run before it can write no more. */
export const finishRun = (id: string, state: RunState): Write => ({
  statement: finishRunRow,
  row: [
    id,
    state.status,
    state.waitingFor,
    state.output,
    state.error && JSON.stringify(state.error),
    state.workerId,
    null,
    state.finishedAtMs,
    1,
  ],
})

const endRunRow = updateRows(
  'end_run',
  'runs',
  { id: text },
  {
    status: text,
    waiting_for: text,
    error: text,
    worker_id: text,
    wake_at: bigint,
    finished_at: bigint,
    fence: bigint,
  },
  { add: ['fence'] },
)
/** Ends a run from outside: whoever holds it can write no more. */
export const endRun = (id: string, status: 'cancelled', error: ErrorRecord, nowMs: number): Write => ({
  statement: endRunRow,
  row: [id, status, null, JSON.stringify(error), null, null, nowMs, 1],
})

const setWakeRow = updateRows('set_run_wake', 'runs', { id: text, news: bigint }, { wake_at: bigint })

/** Sets when the run has something to do next, unless news arrived that its owner has not seen (`seenNews`). */
export const setRunWake = (id: string, seenNews: number, wakeAtMs: number | null): Write => ({
  statement: setWakeRow,
  row: [id, seenNews, wakeAtMs],
})

const newsRow = updateRows(
  'run_news',
  'runs',
  { id: text },
  { news: bigint, wake_at: bigint },
  {
    add: ['news'],
    where: "status NOT IN ('completed', 'failed', 'cancelled', 'timed_out')",
  },
)

/** Leaves news for a run and makes it due: part of the unit that writes the signal, the child's end or the task's result. */
export const leaveNews = (runId: string, nowMs: number): Write => ({ statement: newsRow, row: [runId, 1, nowMs] })

const requestCancelRow = updateRows('request_run_cancel', 'runs', { id: text }, { cancel_requested_at: bigint })
export const requestCancel = (runId: string, nowMs: number): Write => ({
  statement: requestCancelRow,
  row: [runId, nowMs],
})

const requeueRow = updateRows(
  'requeue_run',
  'runs',
  { id: text },
  { status: text, worker_id: text, fence: bigint, error: text },
  { add: ['fence'] },
)
/** Takes a run from its owner: it wants a new one, and writes of the old one are refused from now on. */
export const requeueRun = (runId: string): Write => ({ statement: requeueRow, row: [runId, 'queued', null, 1, null] })

const releaseRow = updateRows('release_run', 'runs', { id: text }, { worker_id: text })
/** Lets go of a run that waits: whoever wakes it takes it. */
export const releaseRun = (runId: string): Write => ({ statement: releaseRow, row: [runId, null] })

const insertJournalRow = insertRows('journal', {
  run_id: text,
  position: bigint,
  tenant_id: text,
  key: text,
  kind: text,
  outcome: text,
  value: text,
  ref: text,
  at: bigint,
})

/** `value` is JSON text already: a result is serialized once. */
export const insertJournal = (run: Run, entry: Omit<JournalEntry, 'value'>, value: string | null): Write => ({
  statement: insertJournalRow,
  row: [run.id, entry.position, run.tenantId, entry.key, entry.kind, entry.outcome, value, entry.ref, entry.atMs],
})

const insertSignalRow = insertRows('signals', {
  id: text,
  tenant_id: text,
  run_id: text,
  name: text,
  payload: text,
  created_at: bigint,
})
export const insertSignal = (signal: SignalRow): Write => ({
  statement: insertSignalRow,
  row: [signal.id, signal.tenant_id, signal.run_id, signal.name, signal.payload, signal.created_at] as RowValue[],
})

const parse = (value: string | null): Json => (value === null ? null : (JSON.parse(value) as Json))

export const toRun = (row: RunRow): Run => ({
  id: row.id,
  tenantId: row.tenant_id,
  projectId: row.project_id,
  kind: row.kind as RunKind,
  target: row.target,
  version: row.version,
  status: row.status as RunStatus,
  priority: row.priority as Priority,
  input: parse(row.input),
  output: parse(row.output),
  error: parse(row.error) as ErrorRecord | null,
  waitingFor: row.waiting_for,
  parentRunId: row.parent_run_id,
  parentKey: row.parent_key,
  idempotencyKey: row.idempotency_key,
  workerId: row.worker_id,
  fence: row.fence,
  news: row.news,
  wakeAtMs: row.wake_at,
  deadlineAtMs: row.deadline_at,
  cancelRequestedAtMs: row.cancel_requested_at,
  createdAtMs: row.created_at,
  startedAtMs: row.started_at,
  finishedAtMs: row.finished_at,
})

export const toJournalEntry = (row: JournalRow): JournalEntry => ({
  position: row.position,
  key: row.key,
  kind: row.kind as JournalKind,
  outcome: row.outcome as 'ok' | 'error',
  value: parse(row.value),
  ref: row.ref,
  atMs: row.at,
})
