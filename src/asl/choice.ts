/** Choice rules: the conditions of JSONPath rules and of JSONata ones, compiled. */
import type { Json, JsonObject } from '../platform/json.ts'
import { COMPARE_OPERATORS, compileWildcard, TYPE_OPERATORS } from './choice-operators.ts'
import { runtimeError } from './errors.ts'
import { parsePath } from './json-path/parse.ts'
import type { Focus, Maybe } from './query/focus.ts'
import { compileExpression, expectKind, isExpression } from './query/jsonata.ts'
import { compilePath, compileStrictLookUp, type LookUp } from './query/path.ts'

export type Condition = (focus: Focus) => Maybe<boolean>

/** `Condition`: an expression that gives a boolean, or a boolean itself. */
export const compileCondition = (condition: Json, field: string): Condition => {
  if (!isExpression(condition)) return () => condition === true
  const evaluate = compileExpression(condition, field)
  return async (focus) => expectKind(await evaluate(focus), 'boolean', field, condition)
}

/** Throws a plain `Error` for a rule that is not one. */
export const compileRule = (rule: JsonObject): ((focus: Focus) => boolean) => {
  if (Array.isArray(rule.And)) {
    const all = rule.And.map((inner) => compileRule(inner as JsonObject))
    return (focus) => all.every((test) => test(focus))
  }
  if (Array.isArray(rule.Or)) {
    const any = rule.Or.map((inner) => compileRule(inner as JsonObject))
    return (focus) => any.some((test) => test(focus))
  }
  if (rule.Not !== undefined) {
    const test = compileRule(rule.Not as JsonObject)
    return (focus) => !test(focus)
  }
  return compileComparison(rule)
}

const NOT_OPERATORS = new Set(['Variable', 'Next', 'Comment', 'Assign', 'Output'])

const operatorOf = (rule: JsonObject): string | undefined => Object.keys(rule).find((key) => !NOT_OPERATORS.has(key))

const compileComparison = (rule: JsonObject): ((focus: Focus) => boolean) => {
  const operator = operatorOf(rule)
  if (typeof rule.Variable !== 'string' || operator === undefined)
    throw new Error('a rule needs Variable and an operator')
  const lookUp = compileStrictLookUp(parsePath(rule.Variable))
  const operand = rule[operator]!
  if (operator === 'IsPresent') return (focus) => (lookUp(focus) !== undefined) === operand
  const test = compileTest(operator, operand)
  return (focus) => test(present(lookUp, rule.Variable as string, focus), focus)
}

const present = (lookUp: LookUp, path: string, focus: Focus): Json => {
  const value = lookUp(focus)
  if (value !== undefined) return value
  throw runtimeError(`Invalid path '${path}': The choice state's condition path references an invalid value.`)
}

const compileTest = (operator: string, operand: Json): ((value: Json, focus: Focus) => boolean) => {
  const isType = TYPE_OPERATORS.get(operator)
  if (isType) return (value) => isType(value) === operand
  if (operator === 'StringMatches') {
    const matches = compileWildcard(operand as string)
    if (matches) return (value) => typeof value === 'string' && matches(value)
    return () => {
      throw runtimeError(`The pattern '${operand}' of StringMatches has a backslash that escapes nothing.`)
    }
  }
  const compare = COMPARE_OPERATORS.get(operator)?.compare
  if (compare) return (value) => compare(value, operand)
  const byPath = operator.endsWith('Path') ? COMPARE_OPERATORS.get(operator.slice(0, -4))?.compare : undefined
  if (!byPath) throw new Error(`unknown operator '${operator}'`)
  const find = compilePath(operand as string)
  return (value, focus) => byPath(value, find(focus))
}
