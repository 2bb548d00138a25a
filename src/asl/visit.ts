/** One stay in one state: what its expressions see, and what is remembered until it is left. */
import type { Json, JsonObject } from '../platform/json.ts'
import { AslError } from './errors.ts'
import type { Focus, Surroundings } from './query/focus.ts'
import type { RunState } from './run-state.ts'
import type { Scope } from './scope.ts'

/** Stages of the data flow that a test of one state shows. */
export type Stage =
  | 'afterInputPath'
  | 'afterParameters'
  | 'afterArguments'
  | 'afterItemsPath'
  | 'afterItemSelector'
  | 'afterItemBatcher'
  | 'afterItemsPointer'
  | 'result'
  | 'afterResultSelector'
  | 'afterResultPath'
  | 'maxConcurrency'
  | 'toleratedFailureCount'
  | 'toleratedFailurePercentage'

export interface Visit extends Surroundings {
  /** Replaced by a test of one state. */
  context(): JsonObject
  readonly run: RunState
  readonly scope: Scope
  readonly state: string
  readonly input: Json
  /** Tries after the first one. */
  retryCount: number
  /** `Task.Token` of the context object, for a callback task. */
  taskToken: string | undefined
  /** `Map` of the context object while a Map prepares an item. */
  mapContext: JsonObject | undefined
  /** The number of the event that entered the state. */
  enteredEventId: number
  /** Set by a test of one state. */
  readonly inspect: ((stage: Stage, value: Json) => void) | undefined
  /** Set by a test of one state: stands for all that a Map, of so many items, or a Parallel would run. */
  readonly substitute: ((items?: number) => { result: Json; failures: number }) | undefined
  /** A focus on some data; in JSONata the data is the result. */
  focus(data: Json, more?: { result?: Json; errorOutput?: Json }): Focus
}

export interface VisitOptions {
  readonly run: RunState
  readonly scope: Scope
  readonly state: string
  readonly input: Json
  /** Whether the context object must show how often the state was tried. */
  readonly retries: boolean
  /** Whether an expression of the state may ask when it was entered. */
  readonly needsEnteredTime: boolean
  readonly inspect?: Visit['inspect']
  readonly substitute?: Visit['substitute']
}

export const makeVisit = (options: VisitOptions): Visit => {
  const { run, scope, state, input, retries } = options
  const { host } = run
  const enteredMs = options.needsEnteredTime ? host.now() : undefined
  const visit: Visit = {
    run,
    scope,
    state,
    input,
    retryCount: 0,
    taskToken: undefined,
    mapContext: undefined,
    enteredEventId: 0,
    inspect: options.inspect,
    substitute: options.substitute,
    limits: run.limits.jsonata,
    variable: (name) => scope.variable(name),
    context() {
      const own: JsonObject = { EnteredTime: timestamp(enteredMs ?? host.now()), Name: state }
      if (retries) own.RetryCount = visit.retryCount
      const context: JsonObject = {
        ...run.context,
        State: { ...own, ...(run.context.State as JsonObject | undefined) },
      }
      const map = visit.mapContext ?? scope.mapContext
      if (scope.execution) context.Execution = { ...(run.context.Execution as JsonObject), ...scope.execution }
      if (map) context.Map = map
      if (visit.taskToken !== undefined) context.Task = { Token: visit.taskToken }
      return context
    },
    now: () => host.now(),
    random: () => host.random(),
    uuid: () => host.uuid(),
    focus: (data, more) => ({ around: visit, data, input, ...more }),
  }
  return visit
}

export const timestamp = (epochMs: number): string => {
  if (!Number.isFinite(epochMs)) throw new AslError('States.Runtime', 'The host has no valid time.')
  return new Date(epochMs).toISOString()
}
