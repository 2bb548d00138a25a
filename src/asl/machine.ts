/** Walks through the states of one machine: the run itself, a branch, or one item of a Map. */
import type { Json, JsonObject } from '../platform/json.ts'
import { errorOutput, findCatcher } from './catch.ts'
import { type AslError, asAslError, askHost, BranchStopped, EngineError, STATES } from './errors.ts'
import type { TransitionType } from './host.ts'
import { nameAndCause } from './name-and-cause.ts'
import { makeRetryCounter } from './retry.ts'
import type { RunState } from './run-state.ts'
import type { Scope } from './scope.ts'
import type { Exit } from './states/exit.ts'
import type { Machine, State } from './states/state.ts'
import { makeVisit, type Visit } from './visit.ts'

/** Resolves with the output of the last state; rejects with an `AslError`, or `BranchStopped` when nobody waits for it. */
export const runMachine = async (run: RunState, machine: Machine, scope: Scope, input: Json): Promise<Json> => {
  let name: string | undefined = machine.start
  let data = input
  while (name !== undefined) {
    const pause = run.step(scope)
    if (pause) await pause
    const state: State = machine.states.get(name)!
    const exit = await visitState(run, state, scope, data)
    if (scope.signal?.aborted) throw new BranchStopped()
    data = exit.output
    name = exit.next
  }
  return data
}

const visitState = async (run: RunState, state: State, scope: Scope, input: Json): Promise<Exit> => {
  const visit = makeVisit({
    run,
    scope,
    state: state.name,
    input,
    retries: state.type === 'Task' || state.type === 'Parallel' || state.type === 'Map',
    needsEnteredTime: state.needsEnteredTime,
  })
  const entered: TransitionType = state.type === 'Fail' ? 'FailStateEntered' : `${state.type}StateEntered`
  visit.enteredEventId = run.emit({ type: entered, scope: scope.path, state: state.name, input })
  const exit = await settle(state, visit)
  if (exit.output !== input) run.checkPayload(exit.output, `The state/task '${state.name}'`)
  const { assigned } = exit
  if (assigned) {
    // All variables of one state together: names and what JSON puts between values are not counted.
    run.checkPayload(Object.values(assigned), 'Assign')
    scope.assign(assigned)
    run.checkVariables(scope)
  }
  run.emit({
    type: `${state.type as Exclude<State['type'], 'Fail'>}StateExited`,
    scope: scope.path,
    state: state.name,
    output: exit.output,
    ...(assigned ? { assigned } : {}),
  })
  return exit
}

/** Executes a state until it succeeds, is caught, or fails for good. */
const settle = async (state: State, visit: Visit): Promise<Exit> => {
  const { run } = visit
  const counter = state.retriers.length > 0 ? makeRetryCounter(state.retriers, () => run.host.random()) : undefined
  for (;;) {
    try {
      const exit = await state.execute(visit)
      if (visit.scope.signal?.aborted) throw new BranchStopped()
      return exit
    } catch (thrown) {
      if (thrown instanceof BranchStopped || visit.scope.signal?.aborted) throw new BranchStopped()
      const error = reported(thrown, state, visit)
      const delayMs = counter?.delayMs(error)
      if (delayMs === undefined) {
        tellFailed(state, visit, error)
        return caught(state, visit, error)
      }
      await waitForRetry(visit, delayMs, error)
    }
  }
}

/** A Map or Parallel that is tried again has not failed yet; what ends the run at once is told by the end of the run alone. */
const tellFailed = ({ type, name }: State, { run, scope }: Visit, error: AslError): void => {
  if ((type !== 'Map' && type !== 'Parallel') || error.error === STATES.runtime) return
  run.emit({ type: `${type}StateFailed`, scope: scope.path, state: name })
}

const waitForRetry = async (visit: Visit, delayMs: number, error: AslError): Promise<void> => {
  const { run, scope, state } = visit
  const atMs = run.host.now() + delayMs
  visit.retryCount++
  const { retryCount } = visit
  run.emit({ type: 'RetryScheduled', scope: scope.path, state, atMs, retryCount, ...nameAndCause(error) })
  const key = scope.nextKey(state, 'retry')
  await askHost(STATES.runtime, () => run.host.sleepUntil(key, atMs, scope.signal))
  if (scope.signal?.aborted) throw new BranchStopped()
}

const caught = async (state: State, visit: Visit, error: AslError): Promise<Exit> => {
  const catcher = findCatcher(state.catchers, error)
  if (!catcher) throw error
  try {
    return await catcher.exit(visit, errorOutput(error))
  } catch (thrown) {
    throw reported(thrown, state, visit)
  }
}

/** The error as the rest of the run sees it; one that the interpreter found tells which state it came from. */
const reported = (thrown: unknown, state: State, visit: Visit): AslError => {
  const error = asAslError(thrown)
  if (!(error instanceof EngineError)) return error
  const located = error.at(state.name, visit.enteredEventId)
  if (error.error === STATES.queryEvaluation) emitEvaluationFailed(visit, located)
  return located
}

const emitEvaluationFailed = (visit: Visit, error: AslError): void => {
  const { run, scope, state } = visit
  const event: JsonObject = { error: error.error!, cause: error.causeText! }
  if (error.field !== undefined) event.field = error.field
  run.emit({ type: 'EvaluationFailed', scope: scope.path, state, ...event })
}
