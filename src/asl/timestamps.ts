/** Timestamps of the language: RFC 3339 with a capital T, and a capital Z or an offset. */

const PATTERN = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?(Z|[+-]\d{2}:\d{2})$/

/** A moment, exact to the nanosecond. */
export interface Instant {
  /** Whole seconds since the epoch. */
  readonly seconds: number
  readonly nanos: number
}

/** `undefined` for a text that is no timestamp. */
export const parseInstant = (text: string): Instant | undefined => {
  const match = PATTERN.exec(text)
  if (!match) return undefined
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1, 7).map(Number)
  if (month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) return undefined
  if (hour > 23 || minute > 59 || second > 59) return undefined
  const offset = offsetMs(match[8]!)
  if (offset === undefined) return undefined
  // Not by numbers: those take the years before 100 for some of the twentieth century.
  const seconds = (Date.parse(`${text.slice(0, 19)}Z`) - offset) / 1000
  return { seconds, nanos: Number((match[7] ?? '').padEnd(9, '0')) }
}

/** Epoch milliseconds (fractions kept), or `undefined` for a text that is no timestamp. */
export const parseTimestamp = (text: string): number | undefined => {
  const instant = parseInstant(text)
  return instant && instant.seconds * 1000 + instant.nanos / 1_000_000
}

const daysIn = (year: number, month: number): number => new Date(Date.UTC(year, month, 0)).getUTCDate()

const offsetMs = (zone: string): number | undefined => {
  if (zone === 'Z') return 0
  const hours = Number(zone.slice(1, 3))
  const minutes = Number(zone.slice(4, 6))
  if (hours > 18 || minutes > 59) return undefined
  return (zone[0] === '-' ? -1 : 1) * (hours * 60 + minutes) * 60_000
}
