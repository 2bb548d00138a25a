/** The functions that the service adds to JSONata: `$partition $range $hash $random $uuid $parse`. */
import type { Json } from '../../platform/json.ts'
import type { JsonataFunction } from '../../platform/jsonata.ts'
import { array, integer, text } from '../intrinsics/arguments.ts'
import { partition, range } from '../intrinsics/arrays.ts'
import { hash } from '../intrinsics/encoding.ts'
import { seededRandom } from '../intrinsics/math.ts'
import type { Surroundings } from './focus.ts'

/** The most elements that `$range` may give. */
const LONGEST_RANGE = 100_000

type Maker = (around: Surroundings) => JsonataFunction

/** Each is made for one evaluation, since some draw on the run's randomness. Nothing in, nothing out, as JSONata has it. */
export const addedFunctions: Readonly<Record<string, Maker>> = {
  partition: () => (items, size) => (items === undefined ? undefined : partition(array(items), integer(size))),
  range: () => (first, last, step) => {
    if (first === undefined || last === undefined) return undefined
    return range(integer(first), integer(last), integer(step ?? 1), LONGEST_RANGE)
  },
  hash: () => (value, algorithm) => (value === undefined ? undefined : hash(value, algorithm ?? null)),
  random: (around) => (seed) => (seed === undefined ? around.random() : seededRandom(seedNumber(seed))),
  uuid: (around) => () => around.uuid(),
  parse: () => (value) => (value === undefined ? undefined : (JSON.parse(text(value)) as Json)),
}

/** Fractions count too: `$random(0.1)` and `$random(0.2)` differ. */
const seedNumber = (seed: Json): number => {
  if (typeof seed !== 'number') throw new Error('The seed must be a number')
  return Number.isInteger(seed) ? seed : Math.floor((seed % 1) * 0x7fffffff) ^ Math.floor(seed)
}
