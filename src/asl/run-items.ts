/** The other end of `childRun`: runs a group of a distributed Map's children, in whatever process the host has for it. */
import type { JsonObject } from '../platform/json.ts'
import type { Program } from './compile.ts'
import type { AslHost, ChildItem, ChildOutcome } from './host.ts'
import { defaultRunLimits, type RunLimits } from './limits.ts'
import type { RunContext } from './run.ts'
import { runChildren } from './run-children.ts'
import { makeRunState } from './run-state.ts'

export interface RunItemsOptions {
  /** From the request: which Map, which items, how many at once. */
  readonly pointer: string
  readonly items: readonly ChildItem[]
  readonly concurrency: number
  readonly toleratedFailures: number
  readonly host: AslHost
  readonly context?: RunContext
  readonly signal?: AbortSignal
  readonly limits?: Partial<RunLimits>
}

/** One outcome for each item that was started. Rejects only when the signal is aborted or the pointer leads nowhere. */
export const runItems = (program: Program, options: RunItemsOptions): Promise<ChildOutcome[]> => {
  const { pointer, items, concurrency, toleratedFailures, host, signal } = options
  const machine = program.processors.get(pointer)
  if (!machine) return Promise.reject(new Error(`the definition has no distributed Map at ${pointer}`))
  const run = makeRunState({
    host,
    limits: { ...defaultRunLimits, ...options.limits },
    context: { ...options.context, Execution: { ...options.context?.Execution } } as JsonObject,
  })
  return runChildren({ run, machine, items, key: '', concurrency, toleratedFailures, signal })
}
