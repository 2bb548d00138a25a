/** Decides whether an item passes a filter expression. */
import type { Json } from '../../platform/json.ts'
import { deepEqual, isObject } from '../values.ts'
import type { Filter, FilterPath, Operand, PathStep } from './path.ts'
import type { Search } from './search.ts'

type Collect = (steps: readonly PathStep[], start: Json, search: Search) => Json[]

/** Thrown where an operator needs a list and gets something else: the item does not pass, whatever stands around it. */
class NoList extends Error {}

/** `collect` is handed in because paths and filters contain one another. */
export const passes = (test: Filter, item: Json, search: Search, collect: Collect): boolean => {
  try {
    return holds(test, item, search, collect)
  } catch (thrown) {
    if (thrown instanceof NoList) return false
    throw thrown
  }
}

const holds = (test: Filter, item: Json, search: Search, collect: Collect): boolean => {
  search.spend(1)
  switch (test.kind) {
    case 'and':
      return holds(test.left, item, search, collect) && holds(test.right, item, search, collect)
    case 'or':
      return holds(test.left, item, search, collect) || holds(test.right, item, search, collect)
    case 'not':
      return !holds(test.inner, item, search, collect)
    case 'exists':
      return resolve(test.path, item, search, collect) !== undefined
    case 'compare': {
      const left = operandValue(test.left, item, search, collect)
      const right = operandValue(test.right, item, search, collect)
      return compare(test.operator, left, right, search)
    }
    case 'matches': {
      const value = operandValue(test.operand, item, search, collect)
      const matches = (one: Json | undefined): boolean => test.pattern(asText(one), search)
      return Array.isArray(value) ? value.some(matches) : matches(value)
    }
  }
}

/** What a regular expression is held against: anything that is no single value counts as an empty text. */
const asText = (value: Json | undefined): string =>
  value === undefined || typeof value === 'object' ? '' : String(value)

const operandValue = (operand: Operand, item: Json, search: Search, collect: Collect): Json | undefined =>
  'literal' in operand ? operand.literal : resolve(operand.path, item, search, collect)

const resolve = (path: FilterPath, item: Json, search: Search, collect: Collect): Json | undefined => {
  const found = collect(path.steps, path.root === '@' ? item : search.document, search)
  const single = path.steps.every((step) => step.kind === 'name' || step.kind === 'index' || step.kind === 'function')
  return single ? found[0] : found.length > 0 ? found : undefined
}

const compare = (operator: string, left: Json | undefined, right: Json | undefined, search: Search): boolean => {
  search.spend(weightOf(left))
  switch (operator) {
    case '==':
      return equal(left, right, search)
    case '!=':
      return !equal(left, right, search)
    case '===':
      return typeof left === typeof right && equal(left, right, search)
    case '!==':
      return typeof left !== typeof right || !equal(left, right, search)
    case 'in':
      return isIn(left, listOf(right), search)
    case 'nin':
      return !isIn(left, listOf(right), search)
    case 'subsetof':
    case 'anyof':
    case 'noneof':
    case 'all':
      return compareLists(operator, listOf(left), listOf(right), search)
    case 'contains':
      if (typeof left === 'string' && typeof right === 'string') {
        search.spend(left.length / 50)
        return left.includes(right)
      }
      return Array.isArray(left) && isIn(right, left, search)
    case 'size':
    case 'empty': {
      const size = sizeOf(left)
      return size !== undefined && (operator === 'size' ? size : size === 0) === right
    }
    default:
      return order(operator, left, right)
  }
}

const NUMBER = /^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$/

/** As in Jayway's library: beside a number on its left a text counts as one, beside a text a number as its text. */
const equal = (left: Json | undefined, right: Json | undefined, search: Search): boolean => {
  if (left === undefined || right === undefined) return left === right
  if (typeof left === 'number' && typeof right === 'string') return NUMBER.test(right) && Number(right) === left
  if (typeof left === 'string' && typeof right === 'number') return left === String(right)
  return deepEqual(left, right, search.spend)
}

const compareLists = (operator: string, left: readonly Json[], right: readonly Json[], search: Search): boolean => {
  if (operator === 'all') return right.every((value) => isIn(value, left, search))
  if (operator === 'subsetof') return left.every((value) => isIn(value, right, search))
  return left.some((value) => isIn(value, right, search)) === (operator === 'anyof')
}

const listOf = (value: Json | undefined): readonly Json[] => {
  if (Array.isArray(value)) return value
  throw new NoList()
}

const isIn = (value: Json | undefined, list: readonly Json[], search: Search): boolean => {
  search.spend(list.length * weightOf(value))
  return value !== undefined && list.some((item) => equal(value, item, search))
}

/** Beside a step a comparison is little work, unless a text is long. */
const weightOf = (value: Json | undefined): number => 0.1 + (typeof value === 'string' ? value.length / 1_000 : 0)

const sizeOf = (value: Json | undefined): number | undefined => {
  if (typeof value === 'string' || Array.isArray(value)) return value.length
  return isObject(value) ? Object.keys(value).length : undefined
}

/** Only numbers with numbers and texts with texts have an order. */
const order = (operator: string, left: Json | undefined, right: Json | undefined): boolean => {
  const numbers = typeof left === 'number' && typeof right === 'number'
  const texts = typeof left === 'string' && typeof right === 'string'
  if (!numbers && !texts) return false
  if (operator === '<') return left < right
  if (operator === '<=') return left <= right
  if (operator === '>') return left > right
  return left >= right
}
