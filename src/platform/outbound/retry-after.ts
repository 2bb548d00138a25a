/** How long a service asks to be left alone. */

const LONGEST_MS = 86_400_000

/** Of `Retry-After`, in milliseconds (RFC 9110: seconds, or a date). At most a day: no service puts a task off for ever. */
export const parseRetryAfter = (value: string | undefined, nowMs: number): number | undefined => {
  if (value === undefined) return undefined
  const waitMs = /^\s*\d+\s*$/.test(value) ? Number(value) * 1000 : Date.parse(value) - nowMs
  return Number.isNaN(waitMs) ? undefined : Math.min(Math.max(waitMs, 0), LONGEST_MS)
}
