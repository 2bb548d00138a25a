/** Requests whose faults are known and not mended yet. Whoever mends one takes it out of here. */
import type { FuzzRequest } from './requests.ts'

/** Durations beyond the last date (then the list of tasks cannot be shown), and redriving all of what fails again at once (no end). */
export const isLeft = ({ target, body = '' }: FuzzRequest): boolean =>
  target.startsWith('/v1/dead-letters/redrive') || /\d{12}/.test(body)
