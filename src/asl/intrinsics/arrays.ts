/** `States.Array…`: making, cutting and searching arrays. */
import type { Json } from '../../platform/json.ts'
import { canonical } from '../values.ts'
import { array, integer } from './arguments.ts'
import { type Intrinsic, IntrinsicFailure } from './failure.ts'

/** The most elements that `States.ArrayRange` may give. */
const LONGEST_RANGE = 1000

export const arrays: Readonly<Record<string, Intrinsic>> = {
  'States.Array': { arity: [0, Number.POSITIVE_INFINITY], call: (args) => [...args] },
  'States.ArrayPartition': { arity: [2, 2], call: ([items, size]) => partition(array(items), integer(size)) },
  'States.ArrayContains': {
    arity: [2, 2],
    call: ([items, wanted]) => contains(array(items), wanted!),
  },
  'States.ArrayRange': {
    arity: [3, 3],
    call: ([first, last, step]) => range(integer(first), integer(last), integer(step), LONGEST_RANGE),
  },
  'States.ArrayGetItem': { arity: [2, 2], call: ([items, index]) => itemAt(array(items), integer(index)) },
  'States.ArrayLength': { arity: [1, 1], call: ([items]) => array(items).length },
  'States.ArrayUnique': { arity: [1, 1], call: ([items]) => unique(array(items)) },
}

/** The service compares texts: `1` is found as `"1"`, and objects only with their keys in the same order. */
const contains = (items: readonly Json[], wanted: Json): boolean => {
  const text = asText(wanted)
  return items.some((item) => asText(item) === text)
}

const asText = (value: Json): string => (typeof value === 'string' ? value : JSON.stringify(value))

/** Cuts an array into chunks of `size`; the last may be shorter. */
export const partition = (items: readonly Json[], size: number): Json[] => {
  if (size < 1) throw new IntrinsicFailure('The chunk size must be a positive integer')
  const chunks: Json[] = []
  for (let at = 0; at < items.length; at += size) chunks.push(items.slice(at, at + size))
  return chunks
}

/** The numbers from `first` to `last`, both included where the step meets them. */
export const range = (first: number, last: number, step: number, longest: number): Json[] => {
  if (step === 0) throw new IntrinsicFailure('The increment must not be zero')
  const count = Math.floor((last - first) / step) + 1
  if (count > longest) throw new IntrinsicFailure(`The range must not have more than ${longest} elements`)
  return Array.from({ length: Math.max(count, 0) }, (_, i) => first + i * step)
}

/** An empty array gives `null` whatever the index, as the service has it. */
const itemAt = (items: readonly Json[], index: number): Json => {
  if (items.length === 0) return null
  const item = items[index]
  if (item === undefined) throw new IntrinsicFailure(`The index ${index} is outside of the array of ${items.length}`)
  return item
}

const unique = (items: readonly Json[]): Json[] => {
  const seen = new Set<string>()
  return items.filter((item) => {
    const key = canonical(item)
    return !seen.has(key) && seen.add(key)
  })
}
