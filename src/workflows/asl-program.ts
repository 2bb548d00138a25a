/** A States Language definition as a workflow function. */
import { type Program, run as runDefinition, STATES } from '../asl/index.ts'
import { commandsOf, engineErrors, type Run, RunError, type WorkflowFunction } from '../engine/index.ts'
import { makeAslHost, makeTaskTokens } from './asl-host.ts'
import type { Bindings } from './resources.ts'

export interface AslFunctionOptions {
  readonly program: Program
  readonly run: Run
  readonly bindings: Bindings
}

/** Whether the definition hands out tokens: to hold a secret for them costs a run a commit. */
const handsOutTokens = ({ definition }: Program): boolean => JSON.stringify(definition).includes('.waitForTaskToken"')

/** The function of a run over a compiled definition. */
export const makeAslFunction = ({ program, run, bindings }: AslFunctionOptions): WorkflowFunction => {
  const needsTokens = handsOutTokens(program)
  return async (ctx, input) => {
    const sink = commandsOf(ctx)
    const signal = ctx.abortSignal
    const startTime = new Date(ctx.now()).toISOString()
    const taskToken = needsTokens ? await makeTaskTokens(sink, signal) : undefined
    const result = await runDefinition(program, {
      input,
      host: makeAslHost({ sink, signal, bindings, taskToken }),
      signal,
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
}
