/** The words of tasks. */
import type { CompiledRetry, ErrorRecord } from '../engine/index.ts'
import type { Json } from '../platform/json.ts'
import type { Partition, Priority } from '../platform/queue/queue.ts'
import type { Owner } from '../platform/scope.ts'

export const TASK_STATUSES = [
  'scheduled',
  'queued',
  'running',
  'waiting',
  'completed',
  'failed',
  'dead',
  'cancelled',
] as const
/**
 * `scheduled`: its time has not come. `queued`: wants an executor. `running`: an attempt is under way. `waiting`: its attempt is
 * done and somebody else answers with its token. The rest is final; `failed` is a task of a run, whose run was told; `dead` stands alone.
 */
export type TaskStatus = (typeof TASK_STATUSES)[number]

export const OPEN_TASK_STATUSES: readonly TaskStatus[] = ['scheduled', 'queued', 'running', 'waiting']
export const isOpenTask = (status: TaskStatus): boolean => OPEN_TASK_STATUSES.includes(status)

/** How a task is tried; fixed when it is made. */
export interface TaskSettings {
  readonly retry: CompiledRetry
  readonly timeoutMs?: number | undefined
  readonly heartbeatMs?: number | undefined
  readonly waitForToken?: boolean | undefined
}

export interface Task {
  readonly id: string
  readonly tenantId: string
  readonly projectId: string | null
  /** The run whose step it is; null for a task that stands alone. */
  readonly runId: string | null
  readonly stepKey: string | null
  /** What to do: `skill:NAME/TOOL`, or the name of a task handler. */
  readonly kind: string
  readonly partition: Partition
  readonly status: TaskStatus
  readonly priority: Priority
  readonly input: Json
  readonly output: Json
  readonly error: ErrorRecord | null
  /** Attempts begun. */
  readonly attempt: number
  /** Attempts that were lost with their process; they do not count against the retry policy. */
  readonly lost: number
  readonly settings: TaskSettings
  readonly workerId: string | null
  readonly fence: number
  readonly runAtMs: number
  readonly deadlineAtMs: number | null
  /** What the attempt last reported of itself. */
  readonly progress: Json
  readonly idempotencyKey: string | null
  /** Tasks of a tenant with the same one share the limits that are set for it. */
  readonly limitKey: string | null
  readonly createdAtMs: number
  readonly startedAtMs: number | null
  readonly finishedAtMs: number | null
}

export type DeadLetterStatus = 'dead' | 'redriven' | 'discarded'

export interface DeadLetter {
  readonly id: string
  readonly tenantId: string
  readonly projectId: string | null
  readonly taskId: string
  readonly kind: string
  readonly status: DeadLetterStatus
  /** Why no further attempt was made. */
  readonly reason: 'attempts_used_up' | 'not_retryable' | 'deadline_passed' | 'worker_lost'
  readonly error: ErrorRecord
  readonly attempts: number
  readonly createdAtMs: number
  readonly resolvedAtMs: number | null
}

export type RedriveStatus = 'running' | 'completed' | 'cancelled'

/** Many dead letters that are started again, the newest first. */
export interface Redrive {
  readonly id: string
  readonly tenantId: string
  /** Only letters of that project. */
  readonly projectId: string | null
  readonly status: RedriveStatus
  /** Only letters of that kind, or that died for that reason. */
  readonly kind: string | null
  readonly reason: DeadLetter['reason'] | null
  readonly ratePerSecond: number | null
  /** Letters made later are left alone. */
  readonly untilMs: number
  /** The last letter that was looked at. */
  readonly position: string | null
  readonly done: number
  /** Letters that somebody else took first. */
  readonly skipped: number
  readonly nextMs: number
  readonly createdAtMs: number
  readonly finishedAtMs: number | null
}

/** What a task's code is given. */
export interface TaskCall {
  readonly taskId: string
  readonly tenantId: string
  /** Of the task; null: all of the tenant. */
  readonly projectId: string | null
  readonly attempt: number
  /** The same on every attempt of this task: pass it on, so that a repeated effect is recognised. */
  readonly idempotencyKey: string
  /** Aborted on time-out, cancellation and shutdown. */
  readonly signal: AbortSignal
  /** Says that the attempt is alive, and how far it is. */
  heartbeat(progress?: Json): void
}

export interface TaskDefaults {
  readonly retry?: CompiledRetry | undefined
  readonly timeoutMs?: number | undefined
}

export type TaskHandler = (input: Json, call: TaskCall) => Promise<Json>

/** Where the executor finds the code of a kind. */
export interface HandlerSource {
  /** Throws `unknown_kind` with what would be right. */
  find(owner: Owner, kind: string): Promise<TaskHandler>
  /** How a kind is tried where the caller says nothing. */
  defaultsOf?(kind: string): TaskDefaults | undefined
}
