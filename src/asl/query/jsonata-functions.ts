/** The functions that the service adds to JSONata: `$partition $range $hash $random $uuid $parse`. */
import type { Json } from '../../platform/json.ts'
import type { JsonataFunction } from '../../platform/jsonata.ts'
import { array, integer, text } from '../intrinsics/arguments.ts'
import { partition, range } from '../intrinsics/arrays.ts'
import { hash } from '../intrinsics/encoding.ts'
import { seededRandom } from '../intrinsics/math.ts'
import type { Surroundings } from './focus.ts'

/** The most elements that `$range` may give. */
const LONGEST_RANGE = 360_145

type Maker = (around: Surroundings) => JsonataFunction

/**
 * Each is made for one evaluation, since some draw on the run's randomness. Nothing in, nothing out, as JSONata has it; and for
 * arguments that make no sense together the service gives nothing rather than an error of its own.
 */
export const addedFunctions: Readonly<Record<string, Maker>> = {
  partition: () => atMost(2, (items, size) => (items === undefined ? undefined : chunksOf(array(items), size))),
  range: () => atMost(3, (first, last, step) => rangeOf(first, last, step)),
  hash: () =>
    atMost(2, (value, algorithm) => {
      return value === undefined || algorithm === undefined ? undefined : hash(text(value), algorithm)
    }),
  random: (around) => atMost(1, (seed) => (seed === undefined ? around.random() : seededRandom(seedNumber(seed)))),
  uuid: (around) => atMost(0, () => around.uuid()),
  parse: () => atMost(1, (value) => (value === undefined ? undefined : (JSON.parse(text(value)) as Json))),
}

const atMost =
  (most: number, fn: JsonataFunction): JsonataFunction =>
  (...args) => {
    if (args.length > most) throw new Error(`The function takes at most ${most} arguments, not ${args.length}`)
    return fn(...args)
  }

/** Without a size there is one chunk. */
const chunksOf = (items: readonly Json[], size: Json | undefined): Json | undefined => {
  const length = size === undefined ? items.length : integer(size)
  return items.length === 0 || length === 0 ? undefined : partition(items, length)
}

/** A range of a single number is the number itself. */
const rangeOf = (first: Json | undefined, last: Json | undefined, step: Json | undefined): Json | undefined => {
  if (first === undefined || last === undefined || step === undefined) return undefined
  const numbers = range(integer(first), integer(last), integer(step), LONGEST_RANGE)
  return numbers.length > 1 ? numbers : numbers[0]
}

/** Fractions count too: `$random(0.1)` and `$random(0.2)` differ. */
const seedNumber = (seed: Json): number => {
  if (typeof seed !== 'number') throw new Error('The seed must be a number')
  return Number.isInteger(seed) ? seed : Math.floor((seed % 1) * 0x7fffffff) ^ Math.floor(seed)
}
