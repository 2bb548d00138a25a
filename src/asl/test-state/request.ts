/** What a test of one state asks for and answers, and the requests that are refused before anything runs. */
import type { Json, JsonObject } from '../../platform/json.ts'
import type { AslHost } from '../host.ts'
import { isObject } from '../values.ts'

export interface StateTest {
  /** A state by itself, or a whole definition of which `stateName` is tried. */
  readonly definition: JsonObject
  readonly stateName?: string
  readonly input?: Json
  /** `INFO` answers only the result, the others also what each stage of the data flow gave. */
  readonly inspectionLevel?: 'INFO' | 'DEBUG' | 'TRACE'
  /** Stands for the outside world: what the task, or all branches or iterations, would give. */
  readonly mock?: StateMock
  /** The context object, where there is a mock; without it one is made up. */
  readonly context?: JsonObject
  readonly variables?: JsonObject
  readonly stateConfiguration?: StateConfiguration
  /** Nothing here hides secrets from such a test, so it has no effect; beside a mock it makes no sense. */
  readonly revealSecrets?: boolean
  /** Does the task when there is no mock, and tells the time. */
  readonly host?: Partial<AslHost>
}

export interface StateMock {
  readonly result?: Json
  readonly errorOutput?: { readonly error?: string; readonly cause?: string }
  /** `STRICT PRESENT NONE`: without effect, there are no models of other services to check a mock against. */
  readonly fieldValidationMode?: string
}

export interface StateConfiguration {
  /** How often the retrier that covers the error was used before. */
  readonly retrierRetryCount?: number
  /** How many iterations of a Map have failed. */
  readonly mapIterationFailureCount?: number
  /** The state within a Map or Parallel that the mocked error comes from. */
  readonly errorCausedByState?: string
  /** The text that the Map's `ItemReader` would read. */
  readonly mapItemReaderData?: string
}

export type StateTestStatus = 'SUCCEEDED' | 'FAILED' | 'RETRIABLE' | 'CAUGHT_ERROR' | 'REJECTED'

export interface StateTestResult {
  /** `REJECTED`: the request made no sense; `error` is then `ValidationException` or `InvalidDefinition`. */
  readonly status: StateTestStatus
  readonly output?: Json
  readonly error?: string
  readonly cause?: string
  readonly nextState?: string
  readonly inspectionData?: JsonObject
}

export const rejected = (error: 'ValidationException' | 'InvalidDefinition', cause: string): StateTestResult => ({
  status: 'REJECTED',
  error,
  cause,
})

/** Thrown while the state is tried, where only then can be seen that the request makes no sense. */
export class RequestRejected extends Error {}

const MOCKABLE = ['Task', 'Map', 'Parallel']
const VALIDATION_MODES = ['STRICT', 'PRESENT', 'NONE']
const CONTEXT_FIELDS = ['Execution', 'State', 'StateMachine', 'Task', 'Map']

/** Activities, callbacks and integrations that wait for a job. */
const WAITS_FOR_OTHERS = /:activity:|^activity:|\.waitForTaskToken$|\.sync(:\d+)?$/

/** `undefined` when the request is in order. */
export const checkRequest = (state: JsonObject, test: StateTest): StateTestResult | undefined => {
  const type = String(state.Type)
  const problem =
    checkSecrets(test) ?? checkMock(state, type, test.mock) ?? checkContext(test) ?? checkOrigin(state, type, test)
  if (problem !== undefined) return rejected('ValidationException', problem)
  if (!test.mock && (type === 'Map' || type === 'Parallel')) {
    return rejected(
      'InvalidDefinition',
      'TestState API does not support Map or Parallel states. Supported state types include: [Task, Wait, Pass, Succeed, Fail, Choice]',
    )
  }
  if (!test.mock && type === 'Task' && WAITS_FOR_OTHERS.test(String(state.Resource))) {
    return rejected('InvalidDefinition', 'A task that waits for others can only be tried with a mock of their answer.')
  }
  return undefined
}

const checkSecrets = ({ revealSecrets, mock }: StateTest): string | undefined =>
  revealSecrets && mock ? 'TestState does not support RevealSecrets when a mock is specified.' : undefined

const checkMock = (state: JsonObject, type: string, mock: StateMock | undefined): string | undefined => {
  if (!mock) return undefined
  if (!MOCKABLE.includes(type)) return `State type '${type}' is not supported when a mock is specified`
  if (mock.result !== undefined && mock.errorOutput !== undefined) {
    return 'A test mock should have only one of the following fields: [result, errorOutput].'
  }
  if (mock.result === undefined && mock.errorOutput === undefined) {
    return 'A test mock should have one of the following fields: [result, errorOutput].'
  }
  if (mock.fieldValidationMode !== undefined && !VALIDATION_MODES.includes(mock.fieldValidationMode)) {
    return `The fieldValidationMode of a mock must be one of ${VALIDATION_MODES.join(', ')}.`
  }
  if (mock.result === undefined) return undefined
  if (type === 'Parallel') {
    if (!Array.isArray(mock.result)) return 'Mocked result must be an array.'
    const branches = (state.Branches as Json[]).length
    if (mock.result.length !== branches) {
      return 'Mocked result must contain the same number of items as number of Parallel branches.'
    }
  }
  if (type === 'Map' && isObject(state.ResultWriter) && state.ResultWriter.Resource !== undefined) {
    return isObject(mock.result) ? undefined : 'Mocked result must be a JSON object.'
  }
  return type === 'Map' && !Array.isArray(mock.result) ? 'Mocked result must be an array.' : undefined
}

const checkContext = ({ context, mock }: StateTest): string | undefined => {
  if (context === undefined) return undefined
  if (!isObject(context)) return 'Invalid Context object provided: it must be an object'
  const fields = Object.entries(context)
  const foreign = fields.find(([key]) => !CONTEXT_FIELDS.includes(key))
  if (foreign) return `Invalid Context object provided: Field '${foreign[0]}' is not allowed`
  const flat = fields.find(([, value]) => !isObject(value))
  if (flat) return `Invalid Context object provided: Field '${flat[0]}' must be an object`
  return mock ? undefined : 'A context object can only be given together with a mock.'
}

/** The state that an error is said to come from must be inside the Map or Parallel. */
const checkOrigin = (state: JsonObject, type: string, { stateConfiguration }: StateTest): string | undefined => {
  const origin = stateConfiguration?.errorCausedByState
  if (origin === undefined || (type !== 'Map' && type !== 'Parallel') || hasInside(state, origin)) return undefined
  return `There is no state '${origin}' inside the ${type} state that could have caused the error.`
}

const hasInside = (state: JsonObject, name: string): boolean =>
  innerMachines(state).some(({ States }) => {
    const states = States as Record<string, JsonObject>
    return Object.hasOwn(states, name) || Object.values(states).some((inner) => hasInside(inner, name))
  })

/** The branches of a Parallel, the item processor of a Map. */
export const innerMachines = (state: JsonObject): JsonObject[] =>
  [...((state.Branches ?? []) as Json[]), state.ItemProcessor, state.Iterator].filter(isObject)
