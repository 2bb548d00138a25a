/** The durable engine: what the domains above it may use. */
export type { CommandSink } from './command.ts'
export { commandsOf } from './context.ts'
export { type Duration, parseDuration } from './duration.ts'
export { type Engine, makeEngine } from './engine.ts'
export type { ErrorRecord } from './error-record.ts'
export { engineErrors, NonRetryableError, RunError, toErrorRecord } from './errors.ts'
export { makeLeaseKeeper } from './leases.ts'
export type { Located, ProgramRequest, ProgramSource } from './program.ts'
export { uuidFrom } from './random.ts'

export { type CompiledRetry, compileRetry, nextAttemptMs, type RetryPolicy } from './retry.ts'
export { leaveNews } from './rows.ts'
export type { NewRun } from './run-creation.ts'
export { serialize } from './serialize.ts'
export { makeSweeper, type Sweeper } from './sweeper.ts'
export type {
  FinishedTask,
  PlannedTask,
  RunInbox,
  RunTaskSpec,
  TaskPort,
  TaskResult,
} from './task-port.ts'
export {
  isFinal,
  type JournalEntry,
  RUN_STATUSES,
  type Run,
  type RunOptions,
  type RunStatus,
  type StepCall,
  type StepOptions,
  type TaskOptions,
  type WorkflowContext,
  type WorkflowFunction,
} from './types.ts'
export { makeWorkers } from './workers.ts'
