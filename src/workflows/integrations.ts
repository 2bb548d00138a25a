/** Service integrations: what their parameters ask for here, and how the answer looks in the service's own form. */
import { AslError, EngineError, STATES } from '../asl/index.ts'
import { AppError } from '../platform/errors.ts'
import type { Json, JsonObject } from '../platform/json.ts'
import { HTTP_INVOKE } from './http-invoke.ts'
import { type Bindings, type Integration, type Resource, readFunction, readStateMachine } from './resources.ts'

/** What is to be done for a Task state. */
export interface Work {
  readonly resource: Exclude<Resource, { kind: 'integration' }> | Start
  readonly input: Json
  toOutput(answer: Json): Json
  toError(error: AslError): AslError
}

/** A run that is only started. */
export interface Start {
  readonly kind: 'start'
  readonly runKind: 'agent' | 'workflow'
  readonly name: string
  readonly version: number | undefined
}

/** The answer and the error are those of what was done. */
export const AS_IS = { toOutput: (answer: Json): Json => answer, toError: (error: AslError): AslError => error }

/** Throws `States.Runtime` when the parameters name nothing that AIDOS has. */
export const workOf = (resource: Resource, input: Json, bindings: Bindings): Work => {
  if (resource.kind !== 'integration') return { resource, input, ...AS_IS }
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    throw refusal('the parameters of an integration must be an object')
  }
  return INTEGRATIONS[resource.integration](input, bindings)
}

const refusal = (cause: string): EngineError => new EngineError(STATES.runtime, cause)

const mustBeText = (input: JsonObject, field: string): string => {
  const value = input[field]
  if (typeof value !== 'string') throw refusal(`${field} must be a text, given: ${JSON.stringify(value) ?? 'nothing'}`)
  return value
}

const mustBePlain = (resource: Resource | undefined, given: string): Exclude<Resource, { kind: 'integration' }> => {
  if (resource && resource.kind !== 'integration') return resource
  throw refusal(`nothing is bound to "${given}": bind it to a skill, an agent, a workflow or an activity`)
}

/** As the service takes it: a text is the JSON text of the value, nothing is an empty object. */
const readJson = (given: Json | undefined, field: string, error: string): Json => {
  if (typeof given !== 'string') return given ?? {}
  try {
    return JSON.parse(given) as Json
  } catch (thrown) {
    throw new AslError(error, `${field} is a text that is not JSON: ${(thrown as Error).message}`)
  }
}

const executionInput = ({ Input }: JsonObject): Json =>
  readJson(Input, 'Input', 'StepFunctions.InvalidExecutionInputException')

const invokeFunction = (input: JsonObject, bindings: Bindings): Work => {
  const name = mustBeText(input, 'FunctionName')
  return {
    resource: mustBePlain(readFunction(name, bindings), name),
    input: readJson(input.Payload, 'Payload', 'Lambda.InvalidRequestContentException'),
    ...AS_IS,
    toOutput: (Payload) => ({ ExecutedVersion: '$LATEST', Payload, StatusCode: 200 }),
  }
}

/** Here a description always has what it describes in it. */
const INCLUDED = { Included: true }

/** The first form has the output as a text, the second as JSON. */
const startExecution =
  (toField: (value: Json) => Json) =>
  (input: JsonObject, bindings: Bindings): Work => {
    const arn = mustBeText(input, 'StateMachineArn')
    const given = executionInput(input)
    const about = {
      ...{ Input: toField(given), InputDetails: INCLUDED, StateMachineArn: arn },
      ...(input.Name ? { Name: input.Name } : {}),
    }
    return {
      resource: mustBePlain(readStateMachine(arn, bindings), arn),
      input: given,
      toOutput: (answer) => ({ ...about, Output: toField(answer), OutputDetails: INCLUDED, Status: 'SUCCEEDED' }),
      toError(error) {
        // Nothing was begun, or the state's own time ran out. What the child itself ended with goes into the description.
        if (error instanceof EngineError || (error.error === STATES.timeout && !isOfChild(error))) return error
        const Cause = error.causeText === error.error ? undefined : error.causeText
        const ended = { ...about, ...(Cause ? { Cause } : {}), Error: error.error ?? '', Status: 'FAILED' }
        return new AslError(STATES.taskFailed, JSON.stringify(ended), { reason: error })
      },
    }
  }

/** The parameters travel as they are: what a connection holds is added only where the call is made. */
const invokeHttp = (input: JsonObject): Work => {
  const endpoint = mustBeText(input, 'ApiEndpoint')
  if (!URL.canParse(endpoint)) throw refusal(`ApiEndpoint is no URL: ${JSON.stringify(endpoint)}`)
  return { resource: { kind: 'task', resource: HTTP_INVOKE }, input, ...AS_IS }
}

/** A run that ended by an error of the language, its own time limit say, has that name for a code. */
const isOfChild = ({ error, cause }: AslError): boolean => cause instanceof AppError && cause.code === error

/** Starts a run and goes on: nobody waits for its end. */
const startOnly = (input: JsonObject, bindings: Bindings): Work => {
  const arn = mustBeText(input, 'StateMachineArn')
  const resource = mustBePlain(readStateMachine(arn, bindings), arn)
  if (resource.kind !== 'run') throw refusal(`"${arn}" is bound to no workflow or agent`)
  return { resource: { ...resource, kind: 'start' }, input: executionInput(input), ...AS_IS }
}

const INTEGRATIONS: Readonly<Record<Integration, (input: JsonObject, bindings: Bindings) => Work>> = {
  lambda: invokeFunction,
  http: invokeHttp,
  startExecution: startOnly,
  'startExecution.sync': startExecution((value) => JSON.stringify(value)),
  'startExecution.sync:2': startExecution((value) => value),
}
