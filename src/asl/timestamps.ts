/** Timestamps of the language: RFC 3339 with a capital T, and a capital Z or an offset. */

const RFC_3339 = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?(Z|[+-]\d{2}:\d{2})$/

/** What the service reads as an "ISO-8601 extended offset date-time": the letters in any case, and seconds and minutes of the offset need not be there. */
const OFFSET_DATE_TIME =
  /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{0,9}))?)?(Z|[+-]\d{2}(?::\d{2}(?::\d{2})?)?)$/i

/** A moment, exact to the nanosecond. */
export interface Instant {
  /** Whole seconds since the epoch. */
  readonly seconds: number
  readonly nanos: number
}

/** `undefined` for a text that is no timestamp. */
export const parseInstant = (text: string): Instant | undefined => readInstant(RFC_3339.exec(text))

/** Epoch milliseconds (fractions kept) of a moment to wait for, or `undefined` for a text that names none. */
export const parseOffsetDateTime = (text: string): number | undefined => {
  const instant = readInstant(OFFSET_DATE_TIME.exec(text))
  return instant && instant.seconds * 1000 + instant.nanos / 1_000_000
}

const readInstant = (match: RegExpExecArray | null): Instant | undefined => {
  if (!match) return undefined
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match
    .slice(1, 7)
    .map((part) => Number(part ?? 0))
  if (month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) return undefined
  if (hour > 23 || minute > 59 || second > 59) return undefined
  const offset = offsetSeconds(match[8]!)
  if (offset === undefined) return undefined
  // Not by `Date.UTC`: it takes the years before 100 for some of the twentieth century.
  const midnight = Date.parse(`${match[1]}-${match[2]}-${match[3]}T00:00:00Z`) / 1000
  return {
    seconds: midnight + hour * 3600 + minute * 60 + second - offset,
    nanos: Number((match[7] ?? '').padEnd(9, '0')),
  }
}

const daysIn = (year: number, month: number): number => new Date(Date.UTC(year, month, 0)).getUTCDate()

const LARGEST_OFFSET = 18 * 3600

const offsetSeconds = (zone: string): number | undefined => {
  if (zone === 'Z' || zone === 'z') return 0
  const [hours = 0, minutes = 0, seconds = 0] = zone.slice(1).split(':').map(Number)
  const offset = hours * 3600 + minutes * 60 + seconds
  if (minutes > 59 || seconds > 59 || offset > LARGEST_OFFSET) return undefined
  return zone[0] === '-' ? -offset : offset
}
