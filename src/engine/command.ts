/** What a run's function asks for, as data: the context makes commands, the live run carries them out. */
import type { Json } from '../platform/json.ts'
import type { Priority } from '../platform/queue/queue.ts'
import type { CompiledRetry } from './retry.ts'
import type { JournalKind, RunKind, StepCall } from './types.ts'

interface CommandBase {
  /** Name and count within the run: `load order`, `load order#2`. */
  readonly key: string
  readonly kind: JournalKind
}

export interface StepCommand extends CommandBase {
  readonly kind: 'step'
  readonly name: string
  readonly fn: (call: StepCall) => unknown
  readonly retry: CompiledRetry
  readonly timeoutMs: number | undefined
}

export interface TaskCommand extends CommandBase {
  readonly kind: 'task'
  readonly resource: string
  readonly input: Json
  readonly priority: Priority | undefined
  /** Absent: the default. */
  readonly retry: CompiledRetry | undefined
  readonly timeoutMs: number | undefined
  readonly heartbeatMs: number | undefined
  readonly delayMs: number | undefined
  readonly waitForToken: boolean
  /** Under this token the task is found by whoever answers it. */
  readonly token?: string | undefined
  readonly limitKey?: string | undefined
}

export interface RunCommand extends CommandBase {
  readonly kind: 'run'
  readonly runKind: RunKind
  readonly target: string
  readonly version: number | undefined
  readonly input: Json
  readonly priority: Priority | undefined
  readonly timeoutMs: number | undefined
}

export interface TimerCommand extends CommandBase {
  readonly kind: 'timer'
  readonly dueMs: number
}

export interface SignalCommand extends CommandBase {
  readonly kind: 'signal'
  readonly name: string
  readonly dueMs: number | undefined
}

export type Command = StepCommand | TaskCommand | RunCommand | TimerCommand | SignalCommand

/** What the context needs of the run it belongs to. */
export interface CommandSink {
  readonly runId: string
  readonly tenantId: string
  /** The next key of a name. */
  nextKey(name: string): string
  /** Resolves with the command's journaled result, or rejects with its journaled error. */
  request(command: Command, signal: AbortSignal): Promise<Json>
  now(): number
  random(): number
  log(type: string, data: Record<string, Json | undefined>): void
  /** Lets other work of the process go first; nothing is told to the run meanwhile. */
  pause(): Promise<void>
}
