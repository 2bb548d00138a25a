/** Service integrations: what their parameters ask for here, and how the answer looks in the service's own form. */
import { AslError, EngineError, STATES } from '../asl/index.ts'
import type { Json, JsonObject } from '../platform/json.ts'
import { type Bindings, type Integration, type Resource, readFunction, readStateMachine } from './resources.ts'

/** What is to be done for a Task state. */
export interface Work {
  readonly resource: Exclude<Resource, { kind: 'integration' }>
  readonly input: Json
  toOutput(answer: Json): Json
  toError(error: AslError): AslError
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

const mustBePlain = (resource: Resource | undefined, given: string): Work['resource'] => {
  if (resource && resource.kind !== 'integration') return resource
  throw refusal(`nothing is bound to "${given}": bind it to a skill, an agent, a workflow or an activity`)
}

const invokeFunction = (input: JsonObject, bindings: Bindings): Work => {
  const name = mustBeText(input, 'FunctionName')
  return {
    resource: mustBePlain(readFunction(name, bindings), name),
    input: input.Payload ?? {},
    ...AS_IS,
    toOutput: (Payload) => ({ ExecutedVersion: '$LATEST', Payload, StatusCode: 200 }),
  }
}

/** The first form has the output as a text, the second as JSON. */
const startExecution =
  (toField: (value: Json) => Json) =>
  (input: JsonObject, bindings: Bindings): Work => {
    const arn = mustBeText(input, 'StateMachineArn')
    const given = input.Input ?? {}
    const about = { Input: toField(given), StateMachineArn: arn, ...(input.Name ? { Name: input.Name } : {}) }
    return {
      resource: mustBePlain(readStateMachine(arn, bindings), arn),
      input: given,
      toOutput: (answer) => ({ ...about, Output: toField(answer), Status: 'SUCCEEDED' }),
      toError(error) {
        // A time limit of the state itself keeps its name.
        if (error.error === STATES.timeout || error.error === STATES.runtime) return error
        const ended = { ...about, Cause: error.causeText ?? '', Error: error.error ?? '', Status: 'FAILED' }
        return new AslError(STATES.taskFailed, JSON.stringify(ended), { reason: error })
      },
    }
  }

const invokeHttp = (input: JsonObject): Work => {
  if (input.Authentication !== undefined) {
    throw refusal('Authentication names a connection of the service: send what it holds in Headers, from a skill')
  }
  const endpoint = mustBeText(input, 'ApiEndpoint')
  const url = URL.parse(endpoint)
  if (!url) throw refusal(`ApiEndpoint is no URL: ${JSON.stringify(endpoint)}`)
  for (const [name, value] of Object.entries((input.QueryParameters ?? {}) as JsonObject)) {
    for (const each of Array.isArray(value) ? value : [value]) url.searchParams.append(name, String(each))
  }
  const request = {
    url: url.href,
    method: typeof input.Method === 'string' ? input.Method : 'GET',
    headers: (input.Headers ?? {}) as JsonObject,
    ...(input.RequestBody === undefined ? {} : { body: input.RequestBody }),
  }
  return {
    resource: { kind: 'task', resource: 'skill:http/request' },
    input: request,
    ...AS_IS,
    toOutput(answer) {
      const { status = null, headers = null, body = null } = answer as JsonObject
      return { Headers: headers, ResponseBody: body, StatusCode: status }
    },
  }
}

const INTEGRATIONS: Readonly<Record<Integration, (input: JsonObject, bindings: Bindings) => Work>> = {
  lambda: invokeFunction,
  http: invokeHttp,
  'startExecution.sync': startExecution((value) => JSON.stringify(value)),
  'startExecution.sync:2': startExecution((value) => value),
}
