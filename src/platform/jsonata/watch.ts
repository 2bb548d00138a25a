/** Hooks into JSONata's evaluator, to count every step and look at every value that it makes. */
import type jsonata from 'jsonata'
import { BUDGET, type BuiltIns, type NativeFunction } from './functions.ts'
import { type Budget, limitReached } from './limits.ts'
import { makeMeasure } from './measure.ts'

/** An evaluation's frame of variables. `base` is the outermost one of the same evaluation. */
interface Frame {
  readonly base: Frame & { depth: number; options: object; budget?: Budget }
  lookup(name: string): unknown
}

interface Node {
  readonly type: string
}

/** JSONata calls what is bound to this symbol after each evaluation of a node. */
const EXIT = Symbol.for('jsonata.__evaluate_exit')
/** Nodes whose result is a part of something measured before, or too small to matter. */
const UNMEASURED = new Set(['variable', 'name', 'string', 'number', 'value', 'lambda', 'regex', 'parent'])

export const watchSteps = (expression: jsonata.Expression): void => {
  const measure = makeMeasure()
  const onExit = (node: Node, _input: unknown, frame: Frame, result: unknown): void => {
    const { base } = frame
    base.budget ??= begin(base)
    const { budget } = base
    budget.charge(Array.isArray(result) ? 1 + result.length : 1)
    if (base.depth > budget.limits.depth) throw limitReached('depth', budget.limits.depth)
    if (!UNMEASURED.has(node.type)) budget.allow(measure(result))
  }
  // The typings know only text as a name; a symbol cannot be written in an expression.
  expression.assign(EXIT as unknown as string, onExit)
}

const begin = (base: Frame['base']): Budget => {
  const budget = base.lookup(BUDGET) as Budget
  base.options = { ...base.options, sequence: budget.limits.rangeLength }
  return budget
}

/**
 * The functions that JSONata brings along. Its frame of them is not public; an evaluation runs synchronously up to its
 * first exit hook, where it can be seen.
 */
export const findBuiltIns = (probe: jsonata.Expression): BuiltIns => {
  let frame: Frame | undefined
  probe.assign(EXIT as unknown as string, (_node: Node, _input: unknown, seen: Frame) => {
    frame = seen
  })
  void probe.evaluate(undefined)
  if (!frame) throw new Error('JSONata did not call its exit hook: the version is not the one this was written for')
  const found = frame
  return new Proxy({} as Record<string, NativeFunction>, { get: (_, name) => found.lookup(String(name)) })
}
