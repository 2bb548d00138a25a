/** Parallel: all branches get the same input; the result is the list of their outputs. */
import type { Json, JsonObject } from '../../platform/json.ts'
import { runBranches } from '../branches.ts'
import { compileDataFlow } from '../data-flow.ts'
import { runMachine } from '../machine.ts'
import { makeScope } from '../scope.ts'
import { type CompileContext, type Execute, type Machine, nextOf } from './state.ts'

export const compileParallel = (state: JsonObject, context: CompileContext): Execute => {
  const { name, language, pointer } = context
  const flow = compileDataFlow(state, language)
  const next = nextOf(state)
  const branches: Machine[] = (state.Branches as JsonObject[]).map((branch, i) =>
    context.compileMachine(branch, `${pointer}/Branches/${i}`),
  )
  return async (visit) => {
    const { run, scope } = visit
    const about = { scope: scope.path, state: name }
    const key = scope.nextKey(name)
    const input = await flow.payload(visit, flow.effectiveInput(visit))
    if (visit.substitute) return { ...(await flow.finish(visit, visit.substitute().result)), next }
    const results: Json[] = new Array(branches.length).fill(null)
    run.emit({ type: 'ParallelStateStarted', ...about })
    await runBranches({
      count: branches.length,
      concurrency: branches.length,
      parent: scope.signal,
      async start(i, signal) {
        const inner = makeScope({ path: `${key}[${i}]`, parent: scope, signal })
        results[i] = await runMachine(run, branches[i]!, inner, input)
      },
    })
    run.emit({ type: 'ParallelStateSucceeded', ...about })
    return { ...(await flow.finish(visit, results)), next }
  }
}
