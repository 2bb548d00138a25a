/** One evaluation of a path: where it began, and how much it may still do. A short path can find more than memory holds. */
import type { Json } from '../../platform/json.ts'
import { type AslError, runtimeError } from '../errors.ts'

export interface Search {
  readonly document: Json
  /** Counts work done. Throws `States.Runtime` when it has been too much, at the same point on every replay. */
  spend(steps: number): void
}

/** Some hundred milliseconds. A filter over all of the largest input that a state may have takes a fifth of it. */
const MOST_STEPS = 5_000_000

export const makeSearch = (document: Json): Search => {
  let left = MOST_STEPS
  return {
    document,
    spend(steps) {
      left -= steps
      if (left < 0) throw takesTooLong()
    },
  }
}

export const takesTooLong = (reason?: unknown): AslError =>
  runtimeError('The evaluation of a path takes too long.', { reason })
