/** The `ctx` of workflow functions: checks and names what is asked for and hands it to the run as commands. */
import { textOf } from '../platform/errors.ts'
import { PRIORITIES } from '../platform/queue/queue.ts'
import { allBranches, raceBranches } from './branches.ts'
import type { CommandSink } from './command.ts'
import { parseDuration } from './duration.ts'
import { engineErrors } from './errors.ts'
import { uuidFrom } from './random.ts'
import { compileRetry } from './retry.ts'
import { toJson } from './serialize.ts'
import type { BranchOptions, TaskOptions, WorkflowContext } from './types.ts'

const optionalMs = (duration: TaskOptions['timeout'], field: string): number | undefined =>
  duration === undefined ? undefined : parseDuration(duration, field)

const splitTarget = (kind: string): { scheme: string; name: string; version: number | undefined } => {
  const match = /^(agent|workflow):([^@]+)(?:@(\d+))?$/.exec(kind)
  if (!match) return { scheme: 'task', name: kind, version: undefined }
  return { scheme: match[1]!, name: match[2]!, version: match[3] === undefined ? undefined : Number(match[3]) }
}

const sinks = new WeakMap<WorkflowContext, CommandSink>()

/** For interpreters: the commands beneath a context, with keys of their own choice. */
export const commandsOf = (ctx: WorkflowContext): CommandSink => sinks.get(ctx) as CommandSink

/** A promise in their place, as `Promise.all` takes them, could neither wait for its turn nor be called off. */
const mustBeFunctions = (branches: readonly unknown[]): void => {
  const index = branches.findIndex((branch) => typeof branch !== 'function')
  if (index < 0) return
  const given = branches[index] instanceof Promise ? 'a promise' : textOf(branches[index])
  throw engineErrors.branches_invalid(
    `branch ${index} is ${given}; give functions, such as (ctx) => ctx.task('a', 1), not what they return`,
  )
}

export const makeContext = (sink: CommandSink, abortSignal: AbortSignal): WorkflowContext => {
  const inBranch = (signal: AbortSignal): WorkflowContext => makeContext(sink, signal)
  const concurrencyOf = (options: BranchOptions | undefined, count: number): number => {
    const given = options?.concurrency
    if (given === undefined) return Math.max(count, 1)
    if (Number.isInteger(given) && given >= 1) return given
    throw engineErrors.branches_invalid(`concurrency is ${given}; allowed: a whole number from 1`)
  }

  const ctx: WorkflowContext = {
    runId: sink.runId,
    tenantId: sink.tenantId,
    abortSignal,

    async step<T>(name: string, fn: Parameters<WorkflowContext['step']>[1], options: TaskOptions = {}) {
      const result = await sink.request(
        {
          kind: 'step',
          key: sink.nextKey(name),
          name,
          fn,
          retry: compileRetry(options.retry, 1),
          timeoutMs: optionalMs(options.timeout, 'timeout'),
        },
        abortSignal,
      )
      return result as T
    },

    async task<T>(kind: string, input?: unknown, options: TaskOptions = {}) {
      const target = splitTarget(kind)
      const key = sink.nextKey(options.name ?? kind)
      const priority = options.priority && PRIORITIES[options.priority]
      const json = toJson(input, `the input of ${key}`)
      const timeoutMs = optionalMs(options.timeout, 'timeout')
      if (target.scheme !== 'task') {
        const runKind = target.scheme === 'agent' ? ('agent' as const) : ('workflow' as const)
        const { name, version } = target
        return (await sink.request(
          { kind: 'run', key, runKind, target: name, version, input: json, priority, timeoutMs },
          abortSignal,
        )) as T
      }
      return (await sink.request(
        {
          kind: 'task',
          key,
          resource: kind,
          input: json,
          priority,
          retry: options.retry && compileRetry(options.retry, 1),
          timeoutMs,
          heartbeatMs: optionalMs(options.heartbeatTimeout, 'heartbeatTimeout'),
          delayMs: optionalMs(options.delay, 'delay'),
          waitForToken: false,
          limitKey: options.limitKey,
        },
        abortSignal,
      )) as T
    },

    async run<T>(workflow: string, input?: unknown, options: Parameters<WorkflowContext['run']>[2] = {}) {
      const key = sink.nextKey(options.name ?? `workflow:${workflow}`)
      return (await sink.request(
        {
          kind: 'run',
          key,
          runKind: 'workflow',
          target: workflow,
          version: options.version,
          input: toJson(input, `the input of ${key}`),
          priority: options.priority && PRIORITIES[options.priority],
          timeoutMs: optionalMs(options.timeout, 'timeout'),
        },
        abortSignal,
      )) as T
    },

    sleep: (duration) => ctx.sleepUntil(sink.now() + parseDuration(duration)),

    async sleepUntil(atMs) {
      const dueMs = Math.ceil(atMs)
      if (!Number.isSafeInteger(dueMs)) {
        throw engineErrors.duration_invalid(`${atMs} is no moment; give milliseconds since the epoch`)
      }
      await sink.request({ kind: 'timer', key: sink.nextKey('sleep'), dueMs }, abortSignal)
    },

    async signal<T>(name: string, options: { timeout?: TaskOptions['timeout'] } = {}) {
      const timeoutMs = optionalMs(options.timeout, 'timeout')
      const dueMs = timeoutMs === undefined ? undefined : sink.now() + timeoutMs
      const key = sink.nextKey(`signal:${name}`)
      return (await sink.request({ kind: 'signal', key, name, dueMs }, abortSignal)) as T
    },

    all(branches, options) {
      mustBeFunctions(branches)
      return allBranches(
        branches.map((branch) => (signal) => branch(inBranch(signal))),
        concurrencyOf(options, branches.length),
        abortSignal,
      )
    },

    async race(branches) {
      if (branches.length === 0) throw engineErrors.branches_invalid('a race needs at least one branch')
      mustBeFunctions(branches)
      return raceBranches(
        branches.map((branch) => (signal) => branch(inBranch(signal))),
        abortSignal,
      )
    },

    map: (items, fn, options) =>
      allBranches(
        items.map((item, index) => (signal) => fn(item, index, inBranch(signal))),
        concurrencyOf(options, items.length),
        abortSignal,
      ),

    now: sink.now,
    random: sink.random,
    uuid: () => uuidFrom(sink.random),
    log: (message, data) =>
      sink.log('run.log', { message, data: data === undefined ? undefined : toJson(data, 'the data') }),
  }
  sinks.set(ctx, sink)
  return ctx
}
