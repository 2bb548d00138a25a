/** Task: one piece of work, done by the host. */
import type { Json, JsonObject } from '../../platform/json.ts'
import { compileDataFlow, compileOptional } from '../data-flow.ts'
import { BranchStopped, hostError, queryError, runtimeError, STATES } from '../errors.ts'
import type { AslHost, TaskRequest } from '../host.ts'
import type { Maybe, QueryLanguage } from '../query/focus.ts'
import { compileExpression, expectKind, isExpression } from '../query/jsonata.ts'
import { compilePath } from '../query/path.ts'
import type { Visit } from '../visit.ts'
import { type CompileContext, type Execute, nextOf } from './state.ts'

const WAITS_FOR_TOKEN = '.waitForTaskToken'
const LONGEST_SECONDS = 99_999_999

export const compileTask = (state: JsonObject, { name, language }: CompileContext): Execute => {
  const flow = compileDataFlow(state, language)
  const next = nextOf(state)
  const resource = state.Resource as string
  const waitForToken = resource.endsWith(WAITS_FOR_TOKEN)
  const toTimeout = compileSeconds(state, 'TimeoutSeconds', language)
  const toHeartbeat = compileSeconds(state, 'HeartbeatSeconds', language)
  const toCredentials = compileOptional(state.Credentials, 'Credentials', language)
  return async (visit) => {
    const { run, scope } = visit
    const { host } = run
    const key = scope.nextKey(name)
    const taskToken = waitForToken ? (visit.run.host.taskToken?.(key) ?? host.uuid()) : undefined
    if (taskToken !== undefined) visit.taskToken = taskToken
    const effective = flow.effectiveInput(visit)
    const input = await flow.payload(visit, effective)
    run.checkPayload(input, `The state/task '${name}'`)
    const timeoutMs = toTimeout && (await toTimeout(visit, effective))
    const heartbeatMs = toHeartbeat && (await toHeartbeat(visit, effective))
    const credentials = toCredentials && (await toCredentials(visit.focus(effective)))
    const request: TaskRequest = {
      key,
      state: name,
      resource,
      input,
      retryCount: visit.retryCount,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(heartbeatMs === undefined ? {} : { heartbeatMs }),
      ...(waitForToken ? { waitForToken } : {}),
      ...(taskToken === undefined ? {} : { taskToken }),
      ...(credentials === undefined ? {} : { credentials }),
      ...(scope.signal === undefined ? {} : { signal: scope.signal }),
    }
    const result = await callHost(visit, request)
    visit.inspect?.('result', result)
    return { ...(await flow.finish(visit, result)), next }
  }
}

const callHost = async (visit: Visit, request: TaskRequest): Promise<Json> => {
  const { run, scope } = visit
  const { key, state, resource, input, timeoutMs, heartbeatMs, credentials } = request
  const about = { scope: scope.path, state, resource, key }
  const pending = startTask(run.host, request)
  run.emit({
    type: 'TaskScheduled',
    ...about,
    input,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(heartbeatMs === undefined ? {} : { heartbeatMs }),
    ...(credentials === undefined ? {} : { credentials }),
  })
  try {
    const output = await pending
    if (scope.signal?.aborted) throw new BranchStopped()
    run.checkPayload(output, `The state/task '${resource}'`)
    run.emit({ type: 'TaskSucceeded', ...about, output })
    return output
  } catch (thrown) {
    if (scope.signal?.aborted) throw new BranchStopped()
    const error = hostError(thrown)
    const timedOut = error.error === STATES.timeout || error.error === STATES.heartbeatTimeout
    run.emit({
      type: timedOut ? 'TaskTimedOut' : 'TaskFailed',
      ...about,
      ...(error.error === undefined ? {} : { error: error.error }),
      ...(error.causeText === undefined ? {} : { cause: error.causeText }),
    })
    throw error
  }
}

/** A host that throws at once has refused the task: then nothing was scheduled. */
const startTask = (host: AslHost, request: TaskRequest): Promise<Json> => {
  try {
    return host.task(request)
  } catch (thrown) {
    throw hostError(thrown)
  }
}

type Milliseconds = (visit: Visit, effective: Json) => Maybe<number>

/** `TimeoutSeconds` and `HeartbeatSeconds`: a number, a path to one, or an expression; always a positive whole number. */
const compileSeconds = (
  state: JsonObject,
  field: 'TimeoutSeconds' | 'HeartbeatSeconds',
  language: QueryLanguage,
): Milliseconds | undefined => {
  const value = state[field]
  const path = state[`${field}Path`]
  if (typeof path === 'string') {
    const find = compilePath(path)
    return (visit, effective) => {
      const seconds = find(visit.focus(effective))
      if (isSeconds(seconds)) return seconds * 1000
      throw runtimeError(
        `The ${field}Path parameter must reference a positive integer: ${path} == ${JSON.stringify(seconds)}`,
      )
    }
  }
  if (value === undefined) return undefined
  if (language !== 'JSONata' || !isExpression(value)) return () => (value as number) * 1000
  const evaluate = compileExpression(value, field)
  return async (visit) => {
    const seconds = expectKind(await evaluate(visit.focus(visit.input)), 'number', field, value)
    if (isSeconds(seconds)) return seconds * 1000
    throw queryError(`The ${field} field must be a positive integer: ${JSON.stringify(seconds)}`, { field })
  }
}

const isSeconds = (value: Json): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value > 0 && value <= LONGEST_SECONDS
