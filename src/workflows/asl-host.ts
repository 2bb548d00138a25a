/** The host of the interpreter over the commands of the engine. */
import { createHmac, randomBytes } from 'node:crypto'
import type { AslHost, RunContext, Transition } from '../asl/index.ts'
import { type CommandSink, compileRetry, type Run, uuidFrom } from '../engine/index.ts'
import { doTask, type RunStarter } from './asl-task.ts'
import type { Bindings } from './resources.ts'

export interface HostOptions {
  readonly sink: CommandSink
  /** Aborted when the run is cancelled. */
  readonly signal: AbortSignal
  readonly bindings: Bindings
  readonly startRun?: RunStarter | undefined
  /** From `makeTaskTokens`, where the definition hands out tokens. */
  readonly taskToken?: ((key: string) => string) | undefined
}

export const makeAslHost = ({ sink, signal: runSignal, bindings, startRun, taskToken }: HostOptions): AslHost => ({
  task: (request) => doTask(sink, request, request.signal ?? runSignal, bindings, startRun),
  async sleepUntil(key, atMs, signal) {
    await sink.request({ kind: 'timer', key, dueMs: atMs }, signal ?? runSignal)
  },
  now: sink.now,
  random: sink.random,
  uuid: () => uuidFrom(sink.random),
  pause: sink.pause,
  ...(taskToken ? { taskToken } : {}),
  onTransition: (transition) => tellTransition(sink, transition),
})

/**
 * Tokens that nobody can guess and that a replay makes again: from a secret of the run, which its journal keeps. What the run's own
 * random numbers give would not do, since they follow from its id.
 */
export const makeTaskTokens = async (sink: CommandSink, signal: AbortSignal): Promise<(key: string) => string> => {
  const fn = (): string => randomBytes(32).toString('base64url')
  const retry = compileRetry(undefined, 1)
  const step = { kind: 'step' as const, key: 'task tokens', name: 'task tokens', fn, retry, timeoutMs: undefined }
  const secret = (await sink.request(step, signal)) as string
  return (key) => createHmac('sha256', secret).update(key).digest('base64url')
}

/** What the timeline shows of the interpreter's transitions. Their data stays out: it is in the run, its tasks and its output. */
const tellTransition = (sink: CommandSink, transition: Transition): void => {
  const { type, scope: path, state } = transition
  const scope = path || undefined
  if (type.endsWith('StateEntered')) {
    sink.log('state.entered', { state, scope, kind: type.slice(0, -'StateEntered'.length) })
  } else if (type.endsWith('StateExited')) sink.log('state.exited', { state, scope })
  else if (type === 'RetryScheduled') {
    const { error, retryCount, atMs } = transition
    sink.log('state.retrying', { state, scope, error, retryCount, atMs })
  } else if (type === 'MapRunStarted') sink.log('map.started', { state, scope })
  else if (type === 'MapRunProgress') {
    const { succeeded, failed } = transition
    sink.log('map.progress', { state, scope, succeeded, failed })
  } else if (type === 'MapRunSucceeded') sink.log('map.completed', { state, scope })
  else if (type === 'MapRunFailed') sink.log('map.failed', { state, scope, error: transition.error })
}

/** What the context object tells of a run; no run is begun again from its failure, so that count stays at 0. */
export const contextOf = (run: Run, startMs: number): RunContext => ({
  Execution: { Id: run.id, Name: run.id, StartTime: new Date(startMs).toISOString(), RedriveCount: 0 },
  StateMachine: { Id: run.target, Name: run.target },
})
