/** A States Language definition as a workflow function: the interpreter's host over the commands of the engine. */
import {
  AslError,
  type AslHost,
  type Program,
  run as runDefinition,
  STATES,
  type TaskRequest,
  type Transition,
} from '../asl/index.ts'
import {
  type CommandSink,
  commandsOf,
  compileRetry,
  engineErrors,
  type Run,
  RunError,
  uuidFrom,
  type WorkflowFunction,
} from '../engine/index.ts'
import { AppError } from '../platform/errors.ts'
import type { Json } from '../platform/json.ts'
import { plainResource, RESOURCE_FORMS, readResource } from './resources.ts'

/** One attempt: retries are the definition's business. Losing an attempt with its process does not count. */
const ONCE = compileRetry(undefined, 1)

/** The names under which a definition knows what went wrong here. */
const STATES_NAMES: Readonly<Record<string, string>> = {
  task_timeout: STATES.timeout,
  signal_timeout: STATES.timeout,
  run_timed_out: STATES.timeout,
  task_heartbeat_timeout: STATES.heartbeatTimeout,
}

const asAslError = (error: unknown): unknown => {
  if (!(error instanceof AppError)) return error
  return new AslError(STATES_NAMES[error.code] ?? error.code, error.message, { reason: error })
}

const doTask = (sink: CommandSink, request: TaskRequest, signal: AbortSignal): Promise<Json> => {
  const { key, input, timeoutMs, heartbeatMs } = request
  const resource = readResource(plainResource(request.resource))
  if (!resource) {
    const message = `"${request.resource}" is no resource that AIDOS has; allowed: ${RESOURCE_FORMS}`
    return Promise.reject(new AslError(STATES.taskFailed, message))
  }
  if (resource.kind === 'signal') {
    const dueMs = timeoutMs === undefined ? undefined : sink.now() + timeoutMs
    return sink.request({ kind: 'signal', key, name: resource.name, dueMs }, signal)
  }
  if (resource.kind === 'run') {
    const { runKind, name: target, version } = resource
    return sink.request({ kind: 'run', key, runKind, target, version, input, priority: undefined, timeoutMs }, signal)
  }
  const waitForToken = request.waitForToken ?? false
  const task = {
    kind: 'task' as const,
    key,
    resource: resource.resource,
    input,
    retry: ONCE,
    timeoutMs,
    heartbeatMs,
    waitForToken,
  }
  return sink.request({ ...task, priority: undefined, delayMs: undefined }, signal)
}

/** What the timeline shows of the interpreter's transitions. Their data stays out: it is in the run, its tasks and its output. */
const tellTransition = (sink: CommandSink, transition: Transition): void => {
  const { type, scope, state } = transition
  if (type.endsWith('StateEntered')) {
    sink.log('state.entered', { state, scope: scope || undefined, kind: type.slice(0, -'StateEntered'.length) })
  } else if (type.endsWith('StateExited')) sink.log('state.exited', { state, scope: scope || undefined })
  else if (type === 'RetryScheduled') {
    const { error, retryCount, atMs } = transition
    sink.log('state.retrying', { state, scope: scope || undefined, error, retryCount, atMs })
  }
}

const makeHost = (sink: CommandSink, runSignal: AbortSignal): AslHost => ({
  task: (request) =>
    doTask(sink, request, request.signal ?? runSignal).catch((error: unknown) => {
      throw asAslError(error)
    }),
  async sleepUntil(key, atMs, signal) {
    await sink.request({ kind: 'timer', key, dueMs: atMs }, signal ?? runSignal)
  },
  now: sink.now,
  random: sink.random,
  uuid: () => uuidFrom(sink.random),
  pause: sink.pause,
  onTransition: (transition) => tellTransition(sink, transition),
})

/** The function of a run over a compiled definition. */
export const makeAslFunction =
  (program: Program, run: Run): WorkflowFunction =>
  async (ctx, input) => {
    const sink = commandsOf(ctx)
    const startTime = new Date(ctx.now()).toISOString()
    const result = await runDefinition(program, {
      input,
      host: makeHost(sink, ctx.abortSignal),
      signal: ctx.abortSignal,
      context: {
        Execution: { Id: run.id, Name: run.id, StartTime: startTime, Input: input },
        StateMachine: { Id: run.target, Name: run.target },
      },
    })
    if (result.status === 'SUCCEEDED') return result.output
    if (result.status === 'ABORTED') throw engineErrors.run_cancelled('the run was cancelled')
    const code = result.error ?? (result.status === 'TIMED_OUT' ? STATES.timeout : STATES.taskFailed)
    throw new RunError({ code, message: result.cause ?? code })
  }
