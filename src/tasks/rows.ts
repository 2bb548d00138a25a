/** How tasks and dead letters lie in the database: the hot statements, and the way from a row to a Task and back. */
import type { CompiledRetry, ErrorRecord } from '../engine/index.ts'
import { type Guard, insertRows, updateRows, type Write } from '../platform/db/statements.ts'
import type { Json } from '../platform/json.ts'
import type { Partition, Priority } from '../platform/queue/queue.ts'
import type { DeadLetter, DeadLetterStatus, Task, TaskSettings, TaskStatus } from './types.ts'

export type TaskRow = {
  id: string
  tenant_id: string
  project_id: string | null
  run_id: string | null
  step_key: string | null
  kind: string
  partition_name: string
  status: string
  priority: number
  input: string
  output: string | null
  error: string | null
  attempt: number
  lost: number
  options: string
  worker_id: string | null
  fence: number
  run_at: number
  deadline_at: number | null
  progress: string | null
  idempotency_key: string | null
  limit_key: string
  created_at: number
  started_at: number | null
  finished_at: number | null
}

export type DeadLetterRow = {
  id: string
  tenant_id: string
  project_id: string | null
  task_id: string
  kind: string
  status: string
  reason: string
  error: string
  attempts: number
  created_at: number
  resolved_at: number | null
}

export type TaskTables = { tasks: TaskRow; dead_letters: DeadLetterRow }

const text = 'text' as const
const bigint = 'bigint' as const
const OPEN = "status IN ('scheduled', 'queued', 'running', 'waiting')"

const insertTaskRow = insertRows('tasks', {
  id: text,
  tenant_id: text,
  project_id: text,
  run_id: text,
  step_key: text,
  kind: text,
  partition_name: text,
  status: text,
  priority: bigint,
  input: text,
  attempt: bigint,
  lost: bigint,
  options: text,
  worker_id: text,
  fence: bigint,
  run_at: bigint,
  deadline_at: bigint,
  idempotency_key: text,
  limit_key: text,
  created_at: bigint,
  started_at: bigint,
})

// Settings are few and shared by many tasks: their text is made once. Time limits that are reckoned may differ from task to task.
const TEXTS_MAX = 100
const settingsTexts = new WeakMap<CompiledRetry, Map<string, string>>()

const settingsText = (settings: TaskSettings): string => {
  const key = `${settings.timeoutMs}/${settings.heartbeatMs}/${settings.waitForToken}`
  const known = settingsTexts.get(settings.retry) ?? new Map<string, string>()
  settingsTexts.set(settings.retry, known)
  const made = known.get(key) ?? JSON.stringify(settings)
  if (known.size < TEXTS_MAX) known.set(key, made)
  return made
}

export const insertTask = (task: Task, inputText: string): Write => ({
  statement: insertTaskRow,
  row: [
    task.id,
    task.tenantId,
    task.projectId,
    task.runId,
    task.stepKey,
    task.kind,
    task.partition,
    task.status,
    task.priority,
    inputText,
    task.attempt,
    task.lost,
    settingsText(task.settings),
    task.workerId,
    task.fence,
    task.runAtMs,
    task.deadlineAtMs,
    task.idempotencyKey,
    task.limitKey ?? '',
    task.createdAtMs,
    task.startedAtMs,
  ],
})

export const guardTask = (task: Pick<Task, 'id' | 'fence'>): Guard => ({
  table: 'tasks',
  id: task.id,
  fence: task.fence,
})

const claimTaskRow = updateRows(
  'claim_task',
  'tasks',
  { id: text },
  { status: text, worker_id: text, fence: bigint, attempt: bigint, started_at: bigint },
)
export const claimTask = (task: Task): Write => ({
  statement: claimTaskRow,
  row: [task.id, task.status, task.workerId, task.fence, task.attempt, task.startedAtMs],
})

const finishTaskRow = updateRows(
  'finish_task',
  'tasks',
  { id: text },
  { status: text, output: text, error: text, worker_id: text, finished_at: bigint, fence: bigint },
  { add: ['fence'] },
)
export interface TaskEnd {
  readonly status: TaskStatus
  readonly outputText: string | null
  readonly error: ErrorRecord | null
  readonly atMs: number
}
export const finishTask = (id: string, end: TaskEnd): Write => ({
  statement: finishTaskRow,
  row: [id, end.status, end.outputText, end.error && JSON.stringify(end.error), null, end.atMs, 1],
})

// However an attempt ends, the fence goes on: who has read the task before that and takes the attempt for lost is refused.
const parkTaskRow = updateRows(
  'park_task',
  'tasks',
  { id: text },
  { status: text, worker_id: text, deadline_at: bigint, fence: bigint },
  { add: ['fence'] },
)
/** The attempt is done; the task waits for its answer, until the deadline if there is one. */
export const parkTask = (id: string, deadlineAtMs: number | null): Write => ({
  statement: parkTaskRow,
  row: [id, 'waiting', null, deadlineAtMs, 1],
})

const waitDeadlineRow = updateRows(
  'set_wait_deadline',
  'tasks',
  { id: text },
  { deadline_at: bigint },
  { where: "status = 'waiting'" },
)
export const setWaitDeadline = (id: string, deadlineAtMs: number | null): Write => ({
  statement: waitDeadlineRow,
  row: [id, deadlineAtMs],
})

const takeActivityRow = updateRows(
  'take_activity',
  'tasks',
  { id: text },
  { fence: bigint, attempt: bigint, started_at: bigint, deadline_at: bigint },
)
/** A remote worker has it: it goes on waiting, for that worker's answer. */
export const takeActivity = (task: Task): Write => ({
  statement: takeActivityRow,
  row: [task.id, task.fence, task.attempt, task.startedAtMs, task.deadlineAtMs],
})

const passFenceRow = updateRows('pass_task_fence', 'tasks', { id: text }, { fence: bigint }, { add: ['fence'] })
/** Whoever held the task can write no more. */
export const passFence = (id: string): Write => ({ statement: passFenceRow, row: [id, 1] })

const rescheduleRow = updateRows(
  'reschedule_task',
  'tasks',
  { id: text },
  { status: text, run_at: bigint, error: text, worker_id: text, fence: bigint },
  { add: ['fence'] },
)
/** The attempt failed; the next one has a time. */
export const rescheduleTask = (id: string, runAtMs: number, error: ErrorRecord): Write => ({
  statement: rescheduleRow,
  row: [id, 'scheduled', runAtMs, JSON.stringify(error), null, 1],
})

const requeueRow = updateRows(
  'requeue_task',
  'tasks',
  { id: text },
  { status: text, worker_id: text, fence: bigint, lost: bigint, run_at: bigint },
  { add: ['fence', 'lost'] },
)
/** The attempt was lost with its process, or interrupted: it is made again and does not count. */
export const requeueTask = (id: string, nowMs: number): Write => ({
  statement: requeueRow,
  row: [id, 'queued', null, 1, 1, nowMs],
})

const dueRow = updateRows(
  'queue_due_task',
  'tasks',
  { id: text, run_at: bigint },
  { status: text },
  { where: "status = 'scheduled'" },
)
/** Unless it has got another time since it was read. */
export const queueDueTask = ({ id, runAtMs }: Pick<Task, 'id' | 'runAtMs'>): Write => ({
  statement: dueRow,
  row: [id, runAtMs, 'queued'],
})

const restartRow = updateRows(
  'restart_task',
  'tasks',
  { id: text },
  {
    status: text,
    attempt: bigint,
    lost: bigint,
    error: text,
    run_at: bigint,
    finished_at: bigint,
    started_at: bigint,
    fence: bigint,
  },
  { add: ['fence'] },
)
/** All over again: its attempts are counted anew. */
export const restartTask = (id: string, nowMs: number): Write => ({
  statement: restartRow,
  row: [id, 'queued', 0, 0, null, nowMs, null, null, 1],
})

const cancelRow = updateRows(
  'cancel_task',
  'tasks',
  { id: text },
  { status: text, error: text, worker_id: text, finished_at: bigint, fence: bigint },
  { add: ['fence'], where: OPEN },
)
/** Ends an open task; an attempt under way can write no more. */
export const cancelTask = (id: string, error: ErrorRecord, nowMs: number): Write => ({
  statement: cancelRow,
  row: [id, 'cancelled', JSON.stringify(error), null, nowMs, 1],
})

const progressRow = updateRows('task_progress', 'tasks', { id: text }, { progress: text })
export const setProgress = (id: string, progress: Json): Write => ({
  statement: progressRow,
  row: [id, JSON.stringify(progress)],
})

const insertDeadRow = insertRows('dead_letters', {
  id: text,
  tenant_id: text,
  project_id: text,
  task_id: text,
  kind: text,
  status: text,
  reason: text,
  error: text,
  attempts: bigint,
  created_at: bigint,
})
export const insertDeadLetter = (dead: DeadLetter): Write => ({
  statement: insertDeadRow,
  row: [
    dead.id,
    dead.tenantId,
    dead.projectId,
    dead.taskId,
    dead.kind,
    dead.status,
    dead.reason,
    JSON.stringify(dead.error),
    dead.attempts,
    dead.createdAtMs,
  ],
})

const resolveDeadRow = updateRows(
  'resolve_dead_letter',
  'dead_letters',
  { task_id: text },
  { status: text, resolved_at: bigint },
  { where: "status = 'dead'" },
)
export const resolveDeadLetter = (taskId: string, status: DeadLetterStatus, nowMs: number): Write => ({
  statement: resolveDeadRow,
  row: [taskId, status, nowMs],
})

const parse = (value: string | null): Json => (value === null ? null : (JSON.parse(value) as Json))

export const toTask = (row: TaskRow): Task => ({
  id: row.id,
  tenantId: row.tenant_id,
  projectId: row.project_id,
  runId: row.run_id,
  stepKey: row.step_key,
  kind: row.kind,
  partition: row.partition_name as Partition,
  status: row.status as TaskStatus,
  priority: row.priority as Priority,
  input: parse(row.input),
  output: parse(row.output),
  error: parse(row.error) as ErrorRecord | null,
  attempt: row.attempt,
  lost: row.lost,
  settings: parse(row.options) as unknown as TaskSettings,
  workerId: row.worker_id,
  fence: row.fence,
  runAtMs: row.run_at,
  deadlineAtMs: row.deadline_at,
  progress: parse(row.progress),
  idempotencyKey: row.idempotency_key,
  limitKey: row.limit_key === '' ? null : row.limit_key,
  createdAtMs: row.created_at,
  startedAtMs: row.started_at,
  finishedAtMs: row.finished_at,
})

export const toDeadLetter = (row: DeadLetterRow): DeadLetter => ({
  id: row.id,
  tenantId: row.tenant_id,
  projectId: row.project_id,
  taskId: row.task_id,
  kind: row.kind,
  status: row.status as DeadLetterStatus,
  reason: row.reason as DeadLetter['reason'],
  error: parse(row.error) as unknown as ErrorRecord,
  attempts: row.attempts,
  createdAtMs: row.created_at,
  resolvedAtMs: row.resolved_at,
})
