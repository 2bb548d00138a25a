/** A States Language definition as a workflow function. */
import { type AslHost, type Program, run as runDefinition, STATES } from '../asl/index.ts'
import {
  type CommandSink,
  commandsOf,
  engineErrors,
  type Run,
  RunError,
  type WorkflowFunction,
} from '../engine/index.ts'
import { contextOf, makeAslHost, makeTaskTokens } from './asl-host.ts'
import type { RunStarter, StartRun } from './asl-task.ts'
import { isGroupRun, makeChildRun, makeGroupFunction } from './map-child.ts'
import { type MapStores, makeMapIo } from './map-io.ts'
import type { Bindings } from './resources.ts'

export interface AslFunctionOptions {
  readonly program: Program
  readonly run: Run
  readonly bindings: Bindings
  readonly startRun?: StartRun | undefined
  /** Where the items and results of distributed Maps lie. */
  readonly stores: MapStores
  readonly payloadLimitBytes: number
}

/** Whether the definition hands out tokens: to hold a secret for them costs a run a commit. */
const handsOutTokens = ({ definition }: Program): boolean => JSON.stringify(definition).includes('.waitForTaskToken"')

/** The function of a run over a compiled definition, or over a group of the children of one of its Maps. */
export const makeAslFunction = (options: AslFunctionOptions): WorkflowFunction => {
  const { program, run, bindings, startRun, stores } = options
  const { projectId } = run
  const start: RunStarter | undefined = startRun && ((request) => startRun({ ...request, projectId }))
  const needsTokens = handsOutTokens(program)
  const makeHost = async (sink: CommandSink, signal: AbortSignal): Promise<AslHost> => {
    const { openItems, openResults } = makeMapIo(sink, signal, stores)
    const taskToken = needsTokens ? await makeTaskTokens(sink, signal) : undefined
    return {
      ...makeAslHost({ sink, signal, bindings, startRun: start, taskToken }),
      ...{ openItems, openResults, childRun: makeChildRun(sink, run, signal) },
    }
  }
  if (isGroupRun(run)) return makeGroupFunction({ ...options, makeHost })
  return async (ctx, input) => {
    const signal = ctx.abortSignal
    const context = contextOf(run, ctx.now())
    const result = await runDefinition(program, {
      input,
      host: await makeHost(commandsOf(ctx), signal),
      signal,
      context,
    })
    if (result.status === 'SUCCEEDED') return result.output
    if (result.status === 'ABORTED') throw engineErrors.run_cancelled('the run was cancelled')
    const code = result.error ?? (result.status === 'TIMED_OUT' ? STATES.timeout : STATES.taskFailed)
    throw new RunError({ code, message: result.cause ?? code })
  }
}
