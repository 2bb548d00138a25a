/** Runs a compiled definition from its start to its end. */
import type { Json, JsonObject } from '../platform/json.ts'
import type { Program } from './compile.ts'
import { asAslError, BranchStopped, STATES } from './errors.ts'
import type { AslHost } from './host.ts'
import { defaultRunLimits, type RunLimits } from './limits.ts'
import { runMachine } from './machine.ts'
import { nameAndCause } from './name-and-cause.ts'
import { makeRunState, type RunState } from './run-state.ts'
import { makeScope } from './scope.ts'

/** What the context object tells of the run; more fields may be given and are shown as they are. */
export interface RunContext {
  readonly Execution?: JsonObject
  readonly StateMachine?: JsonObject
  readonly [field: string]: Json | undefined
}

export interface RunOptions {
  readonly input: Json
  readonly host: AslHost
  readonly context?: RunContext
  /** Aborting it ends the run as `ABORTED`. */
  readonly signal?: AbortSignal
  readonly limits?: Partial<RunLimits>
}

export type RunResult =
  | { readonly status: 'SUCCEEDED'; readonly output: Json }
  | { readonly status: 'FAILED' | 'TIMED_OUT'; readonly error?: string; readonly cause?: string }
  | { readonly status: 'ABORTED' }

/** Never rejects, whatever the definition, the input or the host's answers are. */
export const run = async (program: Program, options: RunOptions): Promise<RunResult> => {
  const { input, host, signal } = options
  const state = makeRunState({
    host,
    limits: { ...defaultRunLimits, ...options.limits },
    context: { ...options.context, Execution: { Input: input, ...options.context?.Execution } } as JsonObject,
  })
  state.emit({ type: 'ExecutionStarted', scope: '', input })
  const result = await execute(program, state, input, signal)
  emitEnd(state, result)
  return result
}

const execute = async (program: Program, state: RunState, input: Json, signal?: AbortSignal): Promise<RunResult> => {
  const stop = new AbortController()
  const scope = makeScope({ path: '', signal: stop.signal })
  const ends: Promise<RunResult>[] = [finish(runMachine(state, program.machine, scope, input), state)]
  let onAbort: (() => void) | undefined
  if (signal) {
    ends.push(
      new Promise((resolve) => {
        onAbort = () => resolve({ status: 'ABORTED' })
        if (signal.aborted) onAbort()
        else signal.addEventListener('abort', onAbort, { once: true })
      }),
    )
  }
  if (program.timeoutMs !== undefined) ends.push(timeOut(state, program.timeoutMs, stop.signal))
  try {
    return await Promise.race(ends)
  } finally {
    if (onAbort) signal?.removeEventListener('abort', onAbort)
    stop.abort()
  }
}

const finish = async (output: Promise<Json>, state: RunState): Promise<RunResult> => {
  try {
    const value = await output
    state.checkPayload(value, 'The run')
    return { status: 'SUCCEEDED', output: value }
  } catch (thrown) {
    if (thrown instanceof BranchStopped) return { status: 'ABORTED' }
    return { status: 'FAILED', ...nameAndCause(asAslError(thrown)) }
  }
}

/** Resolves when the run has lasted too long; stays pending when the host gives the timer up. */
const timeOut = (state: RunState, timeoutMs: number, signal: AbortSignal): Promise<RunResult> =>
  new Promise((resolve) => {
    const atMs = state.host.now() + timeoutMs
    state.host.sleepUntil(':timeout', atMs, signal).then(
      () => resolve({ status: 'TIMED_OUT', error: STATES.timeout }),
      () => undefined,
    )
  })

const emitEnd = (state: RunState, result: RunResult): void => {
  if (result.status === 'SUCCEEDED') state.emit({ type: 'ExecutionSucceeded', scope: '', output: result.output })
  else if (result.status !== 'ABORTED') {
    const { status, ...details } = result
    state.emit({ type: status === 'FAILED' ? 'ExecutionFailed' : 'ExecutionTimedOut', scope: '', ...details })
  }
}
