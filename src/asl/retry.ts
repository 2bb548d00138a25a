/** `Retry`: which errors are tried again, how often, and after how long. */
import type { Json, JsonObject } from '../platform/json.ts'
import { type AslError, nameCovers } from './errors.ts'

/** No delay grows beyond the longest time that the service knows; powers soon leave what a clock can hold. */
const LONGEST_SECONDS = 99_999_999

export interface Retrier {
  readonly errorEquals: readonly string[]
  readonly intervalMs: number
  readonly maxAttempts: number
  readonly backoffRate: number
  readonly maxDelayMs: number
  readonly fullJitter: boolean
}

export const compileRetriers = (field: Json | undefined): Retrier[] =>
  ((field ?? []) as JsonObject[]).map((retrier) => ({
    errorEquals: retrier.ErrorEquals as string[],
    intervalMs: ((retrier.IntervalSeconds as number | undefined) ?? 1) * 1000,
    maxAttempts: (retrier.MaxAttempts as number | undefined) ?? 3,
    backoffRate: (retrier.BackoffRate as number | undefined) ?? 2,
    maxDelayMs: ((retrier.MaxDelaySeconds as number | undefined) ?? LONGEST_SECONDS) * 1000,
    fullJitter: retrier.JitterStrategy === 'FULL',
  }))

/** Keeps count for one stay in a state: each retrier has attempts of its own. */
export interface RetryCounter {
  /** How long to wait before the next try, or `undefined` when the error is not to be tried again. */
  delayMs(error: AslError): number | undefined
}

export const makeRetryCounter = (retriers: readonly Retrier[], random: () => number): RetryCounter => {
  const used = retriers.map(() => 0)
  return {
    delayMs(error) {
      // The first that covers the error decides; when it is used up, later ones are not asked.
      const i = retriers.findIndex((retrier) => retrier.errorEquals.some((name) => nameCovers(name, error)))
      const retrier = retriers[i]
      if (!retrier || used[i]! >= retrier.maxAttempts) return undefined
      const delayMs = Math.min(retrier.intervalMs * retrier.backoffRate ** used[i]!, retrier.maxDelayMs)
      used[i]!++
      return retrier.fullJitter ? delayMs * random() : delayMs
    },
  }
}

/** The wait before try number `attempt` (1 for the first retry) without jitter, as a test of one state reports it. */
export const plainDelayMs = (retrier: Retrier, attempt: number): number =>
  Math.min(retrier.intervalMs * retrier.backoffRate ** (attempt - 1), retrier.maxDelayMs)
