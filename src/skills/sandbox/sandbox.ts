/** Runs functions written by tenants: JavaScript in QuickJS, compiled to WebAssembly, off the main thread, without any I/O. */
import { type Clock, systemClock } from '../../platform/clock.ts'
import { type AppError, defineErrors, messageOf } from '../../platform/errors.ts'
import type { Json } from '../../platform/json.ts'
import { makePool } from './pool.ts'
import type { ConsoleLine, Failure, SandboxOutcome } from './protocol.ts'

export type { ConsoleLine } from './protocol.ts'

export interface SandboxOptions {
  /** Functions that run at the same time. */
  readonly maxWorkers: number
  /** How long a thread without work is kept. */
  readonly idleMs: number
  readonly clock?: Clock
}

export interface SandboxCall {
  /**
   * A module that exports functions, or a script that defines them. Plain ECMAScript: no timers, no network, no files, no
   * imports; `console` is there.
   */
  readonly source: string
  /** The function's name (`default` for a module's default export). It may be async. */
  readonly entry: string
  readonly input: Json
  /** Counted from when the function begins, not while it waits for a thread. */
  readonly timeoutMs: number
  /** What the function may hold. Not less than 10 MiB are granted, nor more than 2 GiB. */
  readonly memoryBytes: number
  /** Of the result, as JSON in UTF-8. */
  readonly maxOutputBytes: number
  readonly signal?: AbortSignal
  /** What the function wrote to `console`, cut to a bounded size; called at the end, when there was anything. */
  readonly onConsole?: (lines: readonly ConsoleLine[]) => void
}

export interface Sandbox {
  /** Resolves with the result as JSON (nothing returned is `null`); rejects with `functionErrors` or the signal's reason. */
  call(call: SandboxCall): Promise<Json>
  /** Rejects with `function_invalid` when the source does not load or one of the entries is no function. */
  check(source: string, entries: readonly string[], signal?: AbortSignal): Promise<void>
  /** Threads alive now. */
  threads(): number
  /** Ends all threads; calls under way are rejected. */
  stop(): Promise<void>
}

const functionErrors = defineErrors({
  /** The function did not end in time. */
  function_timeout: { status: 422 },
  /** The function needed more memory or more stack than it may have. */
  function_memory: { status: 422 },
  /** The function threw; `details` has `name`, and `line` and `column` in its source. */
  function_threw: { status: 422 },
  /** The source does not load, has no such function, or the result is no JSON or too large. */
  function_invalid: { status: 422 },
  /** Not the function's fault: its thread died or is being stopped. */
  function_unavailable: { status: 503, retryable: true },
})

const LONGEST_SOURCE = 1_048_576
const CHECK_LIMITS = { timeoutMs: 1000, memoryBytes: 32 * 1024 * 1024, maxOutputBytes: 16 }

/** Starts nothing yet: threads come with the first call. */
export const makeSandbox = ({ maxWorkers, idleMs, clock = systemClock }: SandboxOptions): Sandbox => {
  const pool = makePool({ maxWorkers, idleMs, clock })

  const run = async (job: Parameters<typeof pool.run>[0], signal?: AbortSignal): Promise<SandboxOutcome> => {
    if (job.source.length > LONGEST_SOURCE)
      throw functionErrors.function_invalid(`the source is longer than ${LONGEST_SOURCE} characters`)
    try {
      return await pool.run(job, signal)
    } catch (error) {
      if (signal?.aborted) throw error
      throw functionErrors.function_unavailable(`the function could not be run: ${messageOf(error)}`, { cause: error })
    }
  }

  return {
    async call({ source, entry, input, timeoutMs, memoryBytes, maxOutputBytes, signal, onConsole }) {
      const work = { kind: 'call', entry, input: JSON.stringify(input) } as const
      const outcome = await run({ source, work, timeoutMs, memoryBytes, maxOutputBytes }, signal)
      if (outcome.console.length > 0) onConsole?.(outcome.console)
      if (outcome.failure) throw errorOf(outcome.failure)
      return JSON.parse(outcome.output) as Json
    },
    async check(source, entries, signal) {
      const { failure } = await run({ source, work: { kind: 'check', entries }, ...CHECK_LIMITS }, signal)
      if (failure) throw errorOf({ ...failure, code: 'function_invalid' })
    },
    threads: () => pool.size(),
    stop: () => pool.stop(),
  }
}

const errorOf = ({ code, message, name, line, column }: Failure): AppError => {
  const where = line === undefined ? '' : ` (line ${line})`
  const what = name === undefined || name === 'Error' ? message : `${name}: ${message}`
  const details = { ...(name !== undefined && { name }), ...(line !== undefined && { line, column }) }
  return functionErrors[code](`${what}${where}`, { details })
}
