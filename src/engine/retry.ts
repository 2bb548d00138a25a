/** Retry policies: how often, how long between, and what is never tried again. */
import { AppError, asError } from '../platform/errors.ts'
import { type Duration, LONGEST_DURATION_MS, parseDuration } from './duration.ts'
import { codeOf, engineErrors, NonRetryableError } from './errors.ts'

export interface RetryPolicy {
  /** Attempts in all, the first included. */
  readonly attempts?: number
  readonly backoff?: 'constant' | 'linear' | 'exponential'
  /** Wait before the second attempt; default 1 s. */
  readonly delay?: Duration
  /** The longest wait; default 1 hour. */
  readonly maxDelay?: Duration
  /** Part of the wait that is left to chance, from 0 to 1; default 0.1. */
  readonly jitter?: number
  /** Error codes that are not tried again. */
  readonly nonRetryable?: readonly string[]
}

export interface CompiledRetry {
  readonly attempts: number
  readonly backoff: 'constant' | 'linear' | 'exponential'
  readonly delayMs: number
  readonly maxDelayMs: number
  readonly jitter: number
  readonly nonRetryable: readonly string[]
}

/** Throws `retry_invalid` or `duration_invalid`. */
export const compileRetry = (policy: RetryPolicy | undefined, attempts: number): CompiledRetry => {
  const compiled: CompiledRetry = {
    attempts: policy?.attempts ?? attempts,
    backoff: policy?.backoff ?? 'exponential',
    delayMs: parseDuration(policy?.delay ?? 1000, 'retry.delay'),
    maxDelayMs: parseDuration(policy?.maxDelay ?? 3_600_000, 'retry.maxDelay'),
    jitter: policy?.jitter ?? 0.1,
    nonRetryable: policy?.nonRetryable ?? [],
  }
  if (!Number.isInteger(compiled.attempts) || compiled.attempts < 1) {
    throw engineErrors.retry_invalid(`retry.attempts is ${compiled.attempts}; allowed: a whole number from 1`)
  }
  if (!(compiled.jitter >= 0 && compiled.jitter <= 1)) {
    throw engineErrors.retry_invalid(`retry.jitter is ${compiled.jitter}; allowed: a number from 0 to 1`)
  }
  return compiled
}

const growth = (backoff: CompiledRetry['backoff'], attempt: number): number => {
  if (backoff === 'constant') return 1
  return backoff === 'linear' ? attempt : 2 ** Math.min(attempt - 1, 40)
}

/** The wait after the failed `attempt` (1 is the first), in milliseconds. `random` gives 0 to 1. */
export const backoffMs = (retry: CompiledRetry, attempt: number, random: () => number): number => {
  const plainMs = Math.min(retry.delayMs * growth(retry.backoff, attempt), retry.maxDelayMs)
  return Math.round(plainMs * (1 - retry.jitter + 2 * retry.jitter * random()))
}

/** Errors that say of themselves that another try is useless: wrong input, a broken rule. */
const isTerminal = (error: unknown): boolean =>
  error instanceof NonRetryableError ||
  (error instanceof AppError && !error.retryable && error.status >= 400 && error.status < 500)

/** What the error itself asks for, in whole milliseconds. It comes from code or from a service: nonsense asks for nothing. */
const askedMs = (error: unknown): number => {
  const ms = error instanceof AppError ? error.retryAfterMs : undefined
  return ms !== undefined && ms > 0 ? Math.ceil(Math.min(ms, LONGEST_DURATION_MS)) : 0
}

/** How long to wait before the next attempt, in whole milliseconds, or undefined when there is none. */
export const nextAttemptMs = (
  retry: CompiledRetry,
  attempt: number,
  thrown: unknown,
  random: () => number,
): number | undefined => {
  const error = asError(thrown)
  if (attempt >= retry.attempts || isTerminal(error)) return undefined
  if ([codeOf(error), error.name].some((one) => retry.nonRetryable.includes(one))) return undefined
  return Math.max(backoffMs(retry, attempt, random), askedMs(error))
}
