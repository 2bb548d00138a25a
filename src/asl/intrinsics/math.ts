/** Sums and random numbers. */
import type { Json } from '../../platform/json.ts'
import type { Surroundings } from '../query/focus.ts'
import { integer, rounded } from './arguments.ts'
import { type Intrinsic, IntrinsicFailure } from './failure.ts'

const LEAST = -2_147_483_648
const MOST = 2_147_483_647

export const math: Readonly<Record<string, Intrinsic>> = {
  'States.MathAdd': { arity: [2, 2], call: ([a, b]) => within(within(rounded(a)) + within(rounded(b))) },
  'States.MathRandom': { arity: [2, 3], call: (args, around) => random(args, around) },
}

const within = (value: number): number => {
  if (value < LEAST || value > MOST)
    throw new IntrinsicFailure(`The numbers and their sum must lie in ${LEAST} to ${MOST}`)
  return value
}

/** A whole number from the first to the second; with a seed always the same one. */
const random = ([from, to, seed]: readonly Json[], around: Surroundings): Json => {
  const start = integer(from, 'The start number')
  const end = integer(to, 'The end number')
  if (end <= start) throw new IntrinsicFailure('The end number must be greater than the start number')
  const draw = seed === undefined ? around.random() : seededRandom(integer(seed, 'The seed'))
  return start + Math.floor(draw * (end - start))
}

/** The first number in [0, 1) of Java's `Random` with that seed, bit for bit: it is what the service gives. */
export const seededRandom = (seed: number): number => {
  let state = (BigInt(Math.trunc(seed)) ^ MULTIPLIER) & MASK
  const next = (bits: bigint): bigint => {
    state = (state * MULTIPLIER + 11n) & MASK
    return state >> (48n - bits)
  }
  const high = next(26n)
  return Number((high << 27n) + next(27n)) / 2 ** 53
}

/** Of a linear congruential generator of 48 bits. */
const MULTIPLIER = 0x5deece66dn
const MASK = (1n << 48n) - 1n
