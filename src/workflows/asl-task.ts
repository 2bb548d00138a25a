/** One Task state as commands of the engine. */
import { AslError, EngineError, heartbeatTimedOut, STATES, type TaskRequest } from '../asl/index.ts'
import { type CommandSink, compileRetry } from '../engine/index.ts'
import { AppError } from '../platform/errors.ts'
import type { Json } from '../platform/json.ts'
import { TOKEN_KIND } from '../tasks/index.ts'
import { AS_IS, type Start, type Work, workOf } from './integrations.ts'
import { type Bindings, RESOURCE_FORMS, readResource } from './resources.ts'

/** One attempt: retries are the definition's business. Losing an attempt with its process does not count. */
const ONCE = compileRetry(undefined, 1)

/** The names under which a definition knows what went wrong here. */
const STATES_NAMES: Readonly<Record<string, string>> = {
  task_timeout: STATES.timeout,
  signal_timeout: STATES.timeout,
  run_timed_out: STATES.timeout,
}

export const toAslError = (error: unknown): unknown => {
  if (!(error instanceof AppError)) return error
  if (error.code === 'task_heartbeat_timeout') return heartbeatTimedOut(error.message, error)
  return new AslError(STATES_NAMES[error.code] ?? error.code, error.message, { reason: error })
}

/** Throws at once when the resource is nothing that AIDOS has: then nothing was begun. */
export const doTask = (
  sink: CommandSink,
  request: TaskRequest,
  signal: AbortSignal,
  bindings: Bindings,
  start?: RunStarter,
): Promise<Json> => {
  const resource = readResource(request.resource, bindings)
  if (!resource) {
    const message = `"${request.resource}" is no resource that AIDOS has; allowed: ${RESOURCE_FORMS}`
    throw new EngineError(STATES.runtime, message)
  }
  const work = workOf(resource, request.input, bindings)
  // What the holder of a token says is taken as it is.
  const { toOutput, toError } = request.waitForToken ? AS_IS : work
  const answer = request.waitForToken
    ? awaitToken(sink, request, signal, work)
    : ask(sink, request, signal, work, start)
  return answer.then(toOutput, (thrown: unknown) => {
    const error = toAslError(thrown)
    if (!(error instanceof AslError)) throw error
    throw work.resource.kind === 'run' ? asFailedTask(toError(error)) : toError(error)
  })
}

/** What is wrong with a child's definition ends the child. To the parent it is a task that failed, and can be caught. */
const asFailedTask = (error: AslError): AslError =>
  error.error !== STATES.runtime || error instanceof EngineError
    ? error
    : new AslError(STATES.taskFailed, error.causeText, { reason: error })

const ask = (
  sink: CommandSink,
  request: TaskRequest,
  signal: AbortSignal,
  work: Work,
  start?: RunStarter,
): Promise<Json> => {
  const { key, timeoutMs } = request
  const { resource, input } = work
  if (resource.kind === 'start') return startRun(sink, key, resource, input, signal, start)
  if (resource.kind === 'task') return askTask(sink, request, signal, resource.resource, input)
  if (resource.kind === 'signal') {
    const dueMs = timeoutMs === undefined ? undefined : sink.now() + timeoutMs
    return sink.request({ kind: 'signal', key, name: resource.name, dueMs }, signal)
  }
  const { runKind, name: target, version } = resource
  return sink.request({ kind: 'run', key, runKind, target, version, input, priority: undefined, timeoutMs }, signal)
}

/** Begins a run that is nobody's child; asked again with the same key it gives the run that it began. */
export type StartRun = (request: {
  readonly tenantId: string
  /** Of the run that asks. */
  readonly projectId: string | null
  readonly kind: 'agent' | 'workflow'
  readonly target: string
  readonly version: number | undefined
  readonly input: Json
  readonly idempotencyKey: string
}) => Promise<{ readonly id: string; readonly createdAtMs: number }>

/** The same, where the project is known. */
export type RunStarter = (request: Omit<Parameters<StartRun>[0], 'projectId'>) => ReturnType<StartRun>

const startRun = async (
  sink: CommandSink,
  key: string,
  { runKind: kind, name: target, version }: Start,
  input: Json,
  signal: AbortSignal,
  start: RunStarter | undefined,
): Promise<Json> => {
  if (!start) throw new EngineError(STATES.runtime, 'nothing here can start a run that nobody waits for')
  const { tenantId, runId } = sink
  const fn = async (): Promise<Json> => {
    const run = await start({ tenantId, kind, target, version, input, idempotencyKey: `${runId}/${key}` })
    return { ExecutionArn: run.id, StartDate: new Date(run.createdAtMs).toISOString() }
  }
  return sink.request({ kind: 'step', key, name: key, fn, retry: ONCE, timeoutMs: undefined }, signal)
}

const askTask = (
  sink: CommandSink,
  request: TaskRequest,
  signal: AbortSignal,
  resource: string,
  input: Json,
): Promise<Json> => {
  const { key, timeoutMs, heartbeatMs, waitForToken = false, taskToken: token } = request
  const task = { kind: 'task' as const, key, resource, input, retry: ONCE, timeoutMs, heartbeatMs, waitForToken, token }
  return sink.request({ ...task, priority: undefined, delayMs: undefined }, signal)
}

/** A skill waits for its token by itself. Beside a run there is a task that is nothing but the token; a run that fails is not waited for. */
const awaitToken = async (sink: CommandSink, request: TaskRequest, signal: AbortSignal, work: Work): Promise<Json> => {
  if (work.resource.kind !== 'run') return ask(sink, request, signal, work)
  const stop = new AbortController()
  const onAbort = (): void => stop.abort(signal.reason)
  if (signal.aborted) onAbort()
  else signal.addEventListener('abort', onAbort, { once: true })
  const token = askTask(sink, request, stop.signal, TOKEN_KIND, null)
  const begun = { ...request, key: `${request.key}/run` }
  const run = ask(sink, begun, signal, work)
  try {
    return await Promise.race([token, run.then(() => token)])
  } finally {
    signal.removeEventListener('abort', onAbort)
    token.catch(() => {})
    run.catch(() => {})
    stop.abort('the state has ended')
  }
}
