/** What the sandbox and its threads say to each other. Values travel as JSON text: a thread never holds an object of ours. */

export interface ConsoleLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly text: string
}

/** One piece of work for a thread: load the source; then call `entry`, or only see that each of `entries` is a function. */
export interface SandboxJob {
  readonly id: number
  readonly source: string
  readonly work:
    | { readonly kind: 'call'; readonly entry: string; readonly input: string }
    | { readonly kind: 'check'; readonly entries: readonly string[] }
  readonly timeoutMs: number
  readonly memoryBytes: number
  readonly maxOutputBytes: number
}

export type FailureCode = 'function_timeout' | 'function_memory' | 'function_threw' | 'function_invalid'

export interface Failure {
  readonly code: FailureCode
  readonly message: string
  /** The name of the error that the function threw. */
  readonly name?: string
  /** In the user's source, from 1. */
  readonly line?: number
  readonly column?: number
}

export type SandboxOutcome = { readonly console: readonly ConsoleLine[] } & (
  | { readonly output: string; readonly failure?: undefined }
  | { readonly failure: Failure }
)

/** From a thread: first that it can take work, then one outcome for each job. */
export type ThreadMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'done'; readonly id: number; readonly outcome: SandboxOutcome }

/** Set in the memory that a thread shares with the pool: the function is to be stopped now. */
export const STOP = 1
