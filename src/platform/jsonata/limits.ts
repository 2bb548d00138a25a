/** How much one evaluation may use, and the account kept while it runs. */
import { defineErrors } from '../errors.ts'

export const jsonataErrors = defineErrors({
  /** The text is not an expression; `details.position` is where it stops being one. */
  jsonata_syntax: { status: 400 },
  /** The evaluation threw; `details.jsonataCode` has JSONata's own code. */
  jsonata_failed: { status: 422 },
  /** The result is nothing at all. */
  jsonata_undefined: { status: 422 },
  /** The result is a function, or something else that JSON cannot hold. */
  jsonata_unsupported: { status: 422 },
  /** A limit was reached; `details.limit` says which. */
  jsonata_limit: { status: 422 },
})

export interface JsonataLimits {
  /** Evaluation steps: every node of the expression counts each time it is evaluated, and each element it produces. */
  readonly steps: number
  /** Evaluations within one another. */
  readonly depth: number
  /** Size of any value on the way, roughly in characters of its JSON text. */
  readonly size: number
  /** Elements that one range `[a..b]` may make. */
  readonly rangeLength: number
  /** Wall time; the last resort, since what ends by it may not end the same way when replayed. */
  readonly timeMs: number
}

export const defaultLimits: JsonataLimits = {
  steps: 500_000,
  depth: 500,
  size: 4_000_000,
  rangeLength: 250_000,
  timeMs: 5_000,
}

/** The account of one evaluation. */
export interface Budget {
  readonly limits: JsonataLimits
  readonly now: () => number
  readonly random: () => number
  /** Counts work done; throws `jsonata_limit` when there has been too much. */
  charge(steps: number): void
  /** Throws `jsonata_limit` when a value of that size must not come to be. */
  allow(size: number): void
}

/** Charges between two looks at the clock. */
const CHARGES_PER_LOOK = 64

export const limitReached = (limit: keyof JsonataLimits, allowed: number): Error =>
  jsonataErrors.jsonata_limit(`the expression used more than its limit of ${limit}: ${allowed}`, { details: { limit } })

export const makeBudget = (limits: JsonataLimits, now: () => number, random: () => number): Budget => {
  const startMs = performance.now()
  let used = 0
  let charges = 0
  return {
    limits,
    now,
    random,
    charge(steps) {
      used += steps
      if (used > limits.steps) throw limitReached('steps', limits.steps)
      if (++charges % CHARGES_PER_LOOK === 0 && performance.now() - startMs > limits.timeMs) {
        throw limitReached('timeMs', limits.timeMs)
      }
    },
    allow(size) {
      if (size > limits.size) throw limitReached('size', limits.size)
    },
  }
}
