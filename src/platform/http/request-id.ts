/** One id per request: the caller's own where it is sane, so that a call can be followed through several systems. */
import type { MakeId } from '../ids.ts'

/** What may stand in a log line and a header without harm. */
const SANE = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$/

export const requestIdOf = (given: string | readonly string[] | undefined, makeId: MakeId): string =>
  typeof given === 'string' && SANE.test(given) ? given : makeId()
