/** `ToleratedFailureCount` and `ToleratedFailurePercentage`: how many items of a distributed Map may fail. */
import type { Json, JsonObject } from '../../platform/json.ts'
import { AslError, STATES } from '../errors.ts'
import type { QueryLanguage } from '../query/focus.ts'
import type { Visit } from '../visit.ts'
import { compileNumber } from './map-fields.ts'

/** Counts the outcomes of one Map. Throws `States.ExceedToleratedFailureThreshold` as soon as it is certain. */
export interface FailureAccount {
  count(ended: { readonly succeeded: number; readonly failed: number }): void
  /** Failures that may still come. */
  left(): number
  /** To be called at the end: a percentage of an unknown total is settled only then. */
  finish(): void
}

export type Tolerance = (total: number | undefined) => FailureAccount

export const compileTolerance = (
  state: JsonObject,
  language: QueryLanguage,
): ((visit: Visit, effective: Json) => Promise<Tolerance>) => {
  const toCount = compileNumber(state, { name: 'ToleratedFailureCount', whole: true }, language)
  const toPercentage = compileNumber(state, { name: 'ToleratedFailurePercentage', whole: false, most: 100 }, language)
  return async (visit, effective) => {
    const count = await toCount(visit, effective)
    const percentage = await toPercentage(visit, effective)
    if (count !== undefined) visit.inspect?.('toleratedFailureCount', count)
    if (percentage !== undefined) visit.inspect?.('toleratedFailurePercentage', percentage)
    return (total) => makeAccount({ count, percentage, total })
  }
}

interface AccountOptions {
  readonly count: number | undefined
  readonly percentage: number | undefined
  readonly total: number | undefined
}

/** Either limit that is exceeded fails the Map; without any, the first failure does. */
const makeAccount = ({ count, percentage, total }: AccountOptions): FailureAccount => {
  let failed = 0
  let seen = 0
  const allowedOf = (all: number): number =>
    Math.min(
      count ?? (percentage === undefined ? 0 : Number.POSITIVE_INFINITY),
      // A little more than it comes to: 2.3 % of 3,000 would be 68 otherwise.
      percentage === undefined ? Number.POSITIVE_INFINITY : Math.floor((all * percentage) / 100 + 1e-9),
    )
  /** While the total is unknown only the count can be exceeded. */
  const allowed = (): number => (total === undefined ? allowedOf(Number.POSITIVE_INFINITY) : allowedOf(total))
  const check = (limit: number): void => {
    if (failed > limit) {
      throw new AslError(STATES.toleratedFailureExceeded, 'The specified tolerated failure threshold was exceeded')
    }
  }
  return {
    count(ended) {
      seen += ended.succeeded + ended.failed
      failed += ended.failed
      check(allowed())
    },
    left: () => Math.min(allowed() - failed, Number.MAX_SAFE_INTEGER),
    finish: () => check(allowedOf(total ?? seen)),
  }
}
