/** The port of rate limits: so many in any window of time, counted together by all who ask under the same key. */

export interface RatePolicy {
  readonly limit: number
  readonly windowMs: number
}

export interface RateDecision {
  readonly isAllowed: boolean
  /** How many more are allowed now. */
  readonly remaining: number
  /** Refused: until the next is allowed. Allowed: until all that was used is given back. Milliseconds. */
  readonly resetMs: number
}

export interface RateLimiter {
  /** Takes one if there is one; a refused call uses nothing up. */
  take(key: string, policy: RatePolicy): RateDecision | Promise<RateDecision>
}

/**
 * A sliding window in slots. What lies in the current slot and the SLOTS before it counts, so that no window of the policy's length ever
 * has more than the limit; what is used comes back at most one slot late, which is 1/60 of the window.
 */
export const SLOTS = 60
export const slotMsOf = ({ windowMs }: RatePolicy): number => Math.max(1, Math.ceil(windowMs / SLOTS))
