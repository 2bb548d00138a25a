/** Map, inline: the same states for each item of an array, within the run. */
import type { Json, JsonObject } from '../../platform/json.ts'
import { runBranches } from '../branches.ts'
import { compileDataFlow } from '../data-flow.ts'
import { asAslError, BranchStopped } from '../errors.ts'
import { runMachine } from '../machine.ts'
import { nameAndCause } from '../name-and-cause.ts'
import type { Evaluate } from '../query/focus.ts'
import { makeScope } from '../scope.ts'
import type { Visit } from '../visit.ts'
import { compileDistributedMap } from './distributed-map.ts'
import { asItems, compileItemSelector, compileItems, compileNumber, selectItem } from './map-fields.ts'
import { compileTolerance } from './map-tolerance.ts'
import { type CompileContext, type Execute, type Machine, nextOf } from './state.ts'

export const compileMap = (state: JsonObject, context: CompileContext): Execute => {
  const processor = (state.ItemProcessor ?? state.Iterator) as JsonObject
  const field = state.ItemProcessor ? 'ItemProcessor' : 'Iterator'
  const machine = context.compileMachine(processor, `${context.pointer}/${field}`)
  const mode = (processor.ProcessorConfig as JsonObject | undefined)?.Mode
  return mode === 'DISTRIBUTED'
    ? compileDistributedMap(state, processor, machine, context)
    : compileInlineMap(state, machine, context)
}

const compileInlineMap = (state: JsonObject, machine: Machine, { name, language }: CompileContext): Execute => {
  // `Parameters` of a Map belong to its items, not to the state.
  const flow = compileDataFlow({ ...state, Parameters: undefined } as unknown as JsonObject, language)
  const toItems = compileItems(state, language)
  const selector = compileItemSelector(state, language)
  const toConcurrency = compileNumber(state, { name: 'MaxConcurrency', whole: true }, language)
  const toTolerance = compileTolerance(state, language)
  const next = nextOf(state)
  return async (visit) => {
    const { run, scope } = visit
    const about = { scope: scope.path, state: name }
    const key = scope.nextKey(name)
    const effective = flow.effectiveInput(visit)
    const wanted = (await toConcurrency(visit, effective)) ?? 0
    visit.inspect?.('maxConcurrency', wanted)
    const items = asItems(await toItems(visit, effective), state, language)
    run.emit({ type: 'MapStateStarted', ...about, length: items.length })
    // It is of no use here, but what gives it has to hold.
    await toTolerance(visit, effective)
    if (visit.substitute) {
      if (selector) visit.inspect?.('afterItemSelector', await selectAll(selector, visit, effective, items))
      return { ...(await flow.finish(visit, visit.substitute().result)), next }
    }
    const results: Json[] = new Array(items.length).fill(null)
    await runBranches({
      count: items.length,
      concurrency: Math.min(wanted === 0 ? Number.POSITIVE_INFINITY : wanted, run.limits.inlineConcurrency),
      parent: scope.signal,
      async start(index, signal) {
        const { input, mapContext } = await selectItem(selector, visit, effective, { index, value: items[index]! })
        const inner = makeScope({ path: `${key}[${index}]`, parent: scope, signal, mapContext })
        results[index] = await iterate(visit, index, () => runMachine(run, machine, inner, input))
      },
    })
    run.emit({ type: 'MapStateSucceeded', ...about })
    return { ...(await flow.finish(visit, results)), next }
  }
}

const selectAll = async (
  selector: Evaluate,
  visit: Visit,
  effective: Json,
  items: readonly Json[],
): Promise<Json[]> => {
  const inputs: Json[] = []
  for (let index = 0; index < items.length; index++) {
    inputs.push((await selectItem(selector, visit, effective, { index, value: items[index]! })).input)
  }
  return inputs
}

/** Tells the timeline when an iteration begins and how it ends. */
const iterate = async (visit: Visit, index: number, work: () => Promise<Json>): Promise<Json> => {
  const { run, scope, state } = visit
  const about = { scope: scope.path, state, index }
  run.emit({ type: 'MapIterationStarted', ...about })
  try {
    const output = await work()
    run.emit({ type: 'MapIterationSucceeded', ...about })
    return output
  } catch (thrown) {
    if (!(thrown instanceof BranchStopped))
      run.emit({ type: 'MapIterationFailed', ...about, ...nameAndCause(asAslError(thrown)) })
    throw thrown
  }
}
