/** How long a service asks to be left alone. */

const LONGEST_MS = 86_400_000

/** At most a day: no service puts a task off for ever. */
const bounded = (waitMs: number): number | undefined =>
  Number.isNaN(waitMs) ? undefined : Math.ceil(Math.min(Math.max(waitMs, 0), LONGEST_MS))

/** Of `Retry-After`, in milliseconds (RFC 9110: seconds, or a date). */
export const parseRetryAfter = (value: string | undefined, nowMs: number): number | undefined => {
  if (value === undefined) return undefined
  return bounded(/^\s*\d+\s*$/.test(value) ? Number(value) * 1000 : Date.parse(value) - nowMs)
}

/** Of `Retry-After-Ms`, which some model services send beside it. */
export const parseRetryAfterMs = (value: string | undefined): number | undefined =>
  value === undefined ? undefined : bounded(Number(value))
