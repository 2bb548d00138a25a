/** What the engine needs of tasks, and what tasks tell the engine. The tasks domain implements the one and calls the other. */

import type { Guard, Write } from '../platform/db/statements.ts'
import type { NewEvent } from '../platform/events/event.ts'
import type { Json } from '../platform/json.ts'
import type { Priority } from '../platform/queue/queue.ts'
import type { ErrorRecord } from './error-record.ts'
import type { CompiledRetry } from './retry.ts'

export interface RunTaskSpec {
  readonly tenantId: string
  readonly projectId: string | null
  readonly runId: string
  readonly stepKey: string
  readonly kind: string
  readonly input: Json
  readonly priority: Priority
  /** Absent: the default. */
  readonly retry?: CompiledRetry | undefined
  readonly timeoutMs?: number | undefined
  readonly heartbeatMs?: number | undefined
  readonly delayMs?: number | undefined
  /** The task stays open after its attempt until somebody answers with its token. */
  readonly waitForToken?: boolean
  /** Under this token the task is found by whoever answers it. */
  readonly token?: string | undefined
  /** Tasks of the tenant with the same one share the limits that are set for it. */
  readonly limitKey?: string | undefined
}

/** A task that is made but not committed yet. */
export interface PlannedTask {
  readonly id: string
  readonly writes: readonly Write[]
  readonly events: readonly NewEvent[]
  /** Call after the commit: the task starts or is queued. */
  dispatch(): void
  /** Call when the commit failed: what was reserved is given back. */
  abandon(): void
}

export interface OpenTask {
  readonly id: string
  readonly tenantId: string
  readonly projectId: string | null
  readonly runId: string
  readonly kind: string
}

export interface PlannedCancel {
  readonly writes: readonly Write[]
  readonly events: readonly NewEvent[]
  /** Call after the commit: attempts under way are aborted. */
  dispatch(): void
}

/** A task of a run as the journal needs it. */
export interface TaskResult {
  readonly taskId: string
  readonly stepKey: string
  readonly kind: string
  /** Undefined while the task is open. */
  readonly outcome: 'ok' | 'error' | undefined
  /** The output or the ErrorRecord. */
  readonly value: Json | ErrorRecord
}

export interface TaskPort {
  plan(spec: RunTaskSpec): PlannedTask
  /** Ends open tasks that their run no longer wants. */
  planCancel(tasks: readonly OpenTask[]): PlannedCancel
  /** All tasks of a run, finished or not. */
  ofRun(runId: string): Promise<TaskResult[]>
  /** Those among them that have ended, with the run that each belongs to. */
  ended(taskIds: readonly string[]): Promise<(TaskResult & { readonly runId: string })[]>
}

/** The end of a task, not committed yet: the run's owner commits it together with what follows from it. */
export interface FinishedTask {
  readonly runId: string
  readonly taskId: string
  readonly stepKey: string
  readonly outcome: 'ok' | 'error'
  readonly value: Json
  readonly guards: readonly Guard[]
  readonly writes: readonly Write[]
  readonly events: readonly NewEvent[]
  /** Called when the result is durable. */
  committed?(): void
  /** Called when the result was refused or could not be written. */
  failed(error: unknown): void
}

export interface RunInbox {
  /** Hands the end of a task to the run's owner if it is in this process; otherwise returns false and the caller commits it. */
  offer(finished: FinishedTask): boolean
  /**
   * Something was committed for a run that is not told of it yet: the end of `taskId`, if it names one. `holder` is the process that
   * held the run when the task was made, and probably still does.
   */
  wake(runId: string, hint?: { readonly taskId?: string | undefined; readonly holder?: string | undefined }): void
}
