/** The words of the engine: runs, their journal, and what a workflow function may ask of it. */

import type { Json } from '../platform/json.ts'
import type { Priority, PriorityName } from '../platform/queue/queue.ts'
import type { Duration } from './duration.ts'
import type { ErrorRecord } from './error-record.ts'
import type { RetryPolicy } from './retry.ts'

export const RUN_STATUSES = [
  'queued',
  'running',
  'waiting',
  'stopped',
  'completed',
  'failed',
  'cancelled',
  'timed_out',
] as const
/**
 * `queued`: wants an owner. `running`: has work under way. `waiting`: holds nothing but timers or signals. `stopped`: cannot go on
 * until somebody mends it (see `error`) and continues it. The last four are final.
 */
export type RunStatus = (typeof RUN_STATUSES)[number]

export const OPEN_RUN_STATUSES: readonly RunStatus[] = ['queued', 'running', 'waiting', 'stopped']
export const isFinal = (status: RunStatus): boolean =>
  status === 'completed' || status === 'failed' || status === 'cancelled' || status === 'timed_out'

export type RunKind = 'workflow' | 'agent'

export interface Run {
  readonly id: string
  readonly tenantId: string
  readonly projectId: string | null
  readonly kind: RunKind
  /** Name of the workflow or agent. */
  readonly target: string
  /** The version it began with and stays on. */
  readonly version: number
  readonly status: RunStatus
  readonly priority: Priority
  readonly input: Json
  readonly output: Json
  readonly error: ErrorRecord | null
  /** What a waiting run waits for, e.g. `signal:approved`. */
  readonly waitingFor: string | null
  readonly parentRunId: string | null
  readonly parentKey: string | null
  readonly idempotencyKey: string | null
  readonly workerId: string | null
  readonly fence: number
  /** How many pieces of news others have left for it. */
  readonly news: number
  readonly wakeAtMs: number | null
  readonly deadlineAtMs: number | null
  readonly cancelRequestedAtMs: number | null
  readonly createdAtMs: number
  readonly startedAtMs: number | null
  readonly finishedAtMs: number | null
}

export type JournalKind = 'step' | 'attempt' | 'task' | 'run' | 'timer' | 'signal' | 'cancel'

/** One thing that a run's function was told. */
export interface JournalEntry {
  readonly position: number
  readonly key: string
  readonly kind: JournalKind
  readonly outcome: 'ok' | 'error'
  /** The result or the ErrorRecord; null where `ref` names the task or run that holds it. */
  readonly value: Json
  readonly ref: string | null
  readonly atMs: number
}

/** What a step's function is given. */
export interface StepCall {
  /** Aborted on time-out and cancellation. */
  readonly signal: AbortSignal
  /** 1 for the first try. */
  readonly attempt: number
  /** The same on every try of this step of this run. */
  readonly idempotencyKey: string
}

export interface StepOptions {
  readonly retry?: RetryPolicy
  /** Limit for one attempt. */
  readonly timeout?: Duration
}

export interface TaskOptions extends StepOptions {
  /** Name in the timeline; default: what the task calls. */
  readonly name?: string
  readonly priority?: PriorityName
  readonly delay?: Duration
  /** The attempt fails when no heartbeat came for so long. */
  readonly heartbeatTimeout?: Duration
  /** Tasks with the same one share the limits that are set for it, e.g. those of a service that is called. */
  readonly limitKey?: string
}

export interface RunOptions {
  readonly name?: string
  readonly version?: number
  readonly priority?: PriorityName
  /** Limit for the whole child run. */
  readonly timeout?: Duration
}

export interface BranchOptions {
  /** Branches that run at a time; default: all. */
  readonly concurrency?: number
}

/** What a workflow function works with. Everything it learns of the world comes through here, so that a replay gives the same. */
export interface WorkflowContext {
  readonly runId: string
  readonly tenantId: string
  /** Aborted when the run is cancelled or this branch lost a race. */
  readonly abortSignal: AbortSignal
  /** Runs `fn` here and journals its result: once finished it never runs again. */
  step<T>(name: string, fn: (call: StepCall) => T | Promise<T>, options?: StepOptions): Promise<T>
  /** Runs a task on the executor pool: `skill:NAME/TOOL`, a task handler's name, `agent:NAME` or `workflow:NAME`. */
  task<T = Json>(kind: string, input?: unknown, options?: TaskOptions): Promise<T>
  /** Starts a child run of a workflow and waits for its output. */
  run<T = Json>(workflow: string, input?: unknown, options?: RunOptions): Promise<T>
  /** Waits without holding anything; survives restarts. */
  sleep(duration: Duration): Promise<void>
  sleepUntil(atMs: number): Promise<void>
  /** Waits for a signal sent to this run; rejects with `signal_timeout`. */
  signal<T = Json>(name: string, options?: { timeout?: Duration }): Promise<T>
  /** All results in order; the first failure cancels the other branches. */
  all<T>(branches: readonly ((ctx: WorkflowContext) => Promise<T>)[], options?: BranchOptions): Promise<T[]>
  /** The first branch to settle; the others are cancelled. */
  race<T>(branches: readonly ((ctx: WorkflowContext) => Promise<T>)[]): Promise<T>
  map<I, T>(
    items: readonly I[],
    fn: (item: I, index: number, ctx: WorkflowContext) => Promise<T>,
    options?: BranchOptions,
  ): Promise<T[]>
  /** Milliseconds since the epoch; the same on replay. */
  now(): number
  /** From 0 to 1; the same on replay. */
  random(): number
  uuid(): string
  /** A line in the run's timeline. */
  log(message: string, data?: Record<string, unknown>): void
}

export interface WorkflowFunction {
  (ctx: WorkflowContext, input: Json): unknown
  /** Its output may be larger than a payload otherwise may: for parts of a run that only their parent reads. */
  readonly outputLimitBytes?: number
}
