/** Hooks into JSONata's evaluator, to count every step and look at every value that it makes. */
import type jsonata from 'jsonata'
import { BUDGET, type BuiltIns, type NativeFunction } from './functions.ts'
import { type Budget, jsonataErrors, limitReached } from './limits.ts'
import { makeMeasure } from './measure.ts'
import { eachNode } from './variables.ts'

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
/** How many steps of the regular expression engine, or measured characters, weigh as much as one of the evaluator. */
const SMALL_STEPS = 8

/** Steps that regular expressions took since the last look. */
export interface RegexMeter {
  steps: number
}

export const watchSteps = (expression: jsonata.Expression, meter: RegexMeter): void => {
  const patterns = transformPatterns(expression.ast())
  // Only a transform changes values, so only there a size that was measured once may be wrong later.
  const remembered = makeMeasure()
  const measure = patterns.size === 0 ? remembered : (value: unknown): number => makeMeasure()(value)
  const onExit = (node: Node, input: unknown, frame: Frame, result: unknown): void => {
    const { base } = frame
    base.budget ??= begin(base)
    const { budget } = base
    budget.charge((Array.isArray(result) ? 1 + result.length : 1) + meter.steps / SMALL_STEPS)
    meter.steps = 0
    if (base.depth > budget.limits.depth) throw limitReached('depth', budget.limits.depth)
    if (patterns.has(node)) refuseForeign(input, result)
    if (UNMEASURED.has(node.type)) return
    const size = measure(result)
    budget.allow(size)
    if (patterns.size > 0) budget.charge(size / SMALL_STEPS)
  }
  // The typings know only text as a name; a symbol cannot be written in an expression.
  expression.assign(EXIT as unknown as string, onExit)
}

/** The patterns of all `| pattern | update |`: they say which objects are going to be changed. */
const transformPatterns = (ast: unknown): ReadonlySet<unknown> => {
  const patterns = new Set<unknown>()
  eachNode(ast, (node) => {
    if (node.type === 'transform') patterns.add(node.pattern)
  })
  return patterns
}

/** A transform works on a copy; a pattern that leads to something else would change the caller's own data. */
const refuseForeign = (copy: unknown, matches: unknown): void => {
  const own = new Set<unknown>()
  const open: unknown[] = [copy]
  for (let value = open.pop(); value !== undefined || open.length > 0; value = open.pop()) {
    if (typeof value !== 'object' || value === null || own.has(value)) continue
    own.add(value)
    for (const inner of Object.values(value)) open.push(inner)
  }
  for (const match of Array.isArray(matches) ? matches : [matches]) {
    if (typeof match === 'object' && match !== null && !own.has(match)) {
      throw jsonataErrors.jsonata_failed('a transform can only change what it is applied to')
    }
  }
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
