/** The functions that may end a path: `$.items.length()`. */
import type { Json } from '../../platform/json.ts'
import { isObject } from '../values.ts'
import type { PathFunction } from './path.ts'

/** Functions that count what is in a value. */
export const COUNTING: ReadonlySet<PathFunction> = new Set(['length', 'size'])

/** Functions that fail for what is not a list, where others give nothing. */
export const NEEDS_LIST: ReadonlySet<PathFunction> = new Set(['min', 'max', 'avg', 'sum', 'stddev', 'first', 'last'])

/** Gives `undefined` when the value is not of a kind that the function takes. */
export const callPathFunction = (name: PathFunction, value: Json | undefined): Json | undefined => {
  if (value === undefined) return undefined
  switch (name) {
    case 'length':
    case 'size':
      if (Array.isArray(value)) return value.length
      return isObject(value) ? Object.keys(value).length : undefined
    case 'keys':
      return isObject(value) ? Object.keys(value) : undefined
    case 'first':
      return Array.isArray(value) ? value[0] : undefined
    case 'last':
      return Array.isArray(value) ? value[value.length - 1] : undefined
    default:
      return overNumbers(name, value)
  }
}

const overNumbers = (name: 'min' | 'max' | 'avg' | 'sum' | 'stddev', value: Json): number | undefined => {
  if (!Array.isArray(value)) return undefined
  const numbers = value.filter((item) => typeof item === 'number')
  if (numbers.length === 0) return undefined
  const sum = numbers.reduce((total, n) => total + n, 0)
  const mean = sum / numbers.length
  switch (name) {
    case 'sum':
      return sum
    case 'avg':
      return mean
    case 'min':
      return numbers.reduce((least, n) => Math.min(least, n))
    case 'max':
      return numbers.reduce((most, n) => Math.max(most, n))
    case 'stddev':
      return Math.sqrt(numbers.reduce((total, n) => total + (n - mean) ** 2, 0) / numbers.length)
  }
}
