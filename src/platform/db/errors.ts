/** Errors of the database layer. */
import { defineErrors } from '../errors.ts'

export const dbErrors = defineErrors({
  stale_write: { status: 409 },
  database_newer: { status: 500 },
  database_in_use: { status: 500 },
  database_unusable: { status: 500 },
  conflict: { status: 409 },
  database_away: { status: 503, retryable: true },
})

/** Whether a write was refused because its row is held by another owner by now. */
export const isStaleWrite = (error: unknown): boolean => (error as { code?: unknown }).code === 'stale_write'

/**
 * Whether a driver's error says that the rows themselves are refused (wrong data, a broken rule): the same write fails every time.
 * SQLite: constraint, mismatch, too big; PostgreSQL: classes 22 (data) and 23 (integrity).
 */
export const isRefusedData = (error: unknown): boolean => {
  const { code, errcode } = error as { code?: unknown; errcode?: unknown }
  if (typeof errcode === 'number') return [18, 19, 20].includes(errcode & 0xff)
  return typeof code === 'string' && /^2[23][0-9A-Z]{3}$/.test(code)
}

/** Whether a transaction was chosen to go again: a deadlock or a serialization failure. */
export const isDeadlock = (error: unknown): boolean => ['40P01', '40001'].includes((error as { code: string }).code)

const OUTAGE_TEXT =
  /connection terminated|connection timeout|timeout exceeded|timeout expired|query read timeout|not queryable|client was closed|cannot use a pool/i

/**
 * Whether the database was away, full, in the middle of a restart or took too long: the same may work in a moment. PostgreSQL: classes
 * 08 (connection), 53 (resources), 57P (shutdown, start-up), 57014 and 25P03 (time-outs); sockets; SQLite: busy.
 */
export const isOutage = (error: unknown): boolean => {
  const { code, errcode, message = '' } = error as { code?: unknown; errcode?: unknown; message?: string }
  if (typeof errcode === 'number') return (errcode & 0xff) === 5
  if (typeof code === 'string')
    return /^(08|53|57P|57014|25P03|ECONN|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENOTFOUND|EAI_AGAIN)/.test(code)
  return OUTAGE_TEXT.test(message)
}

/** An outage: whoever is asked says nothing. */
export const noAnswer = (ms: number, what = 'no answer'): Error =>
  Object.assign(new Error(`${what} within ${ms} ms`), { code: 'ETIMEDOUT' })

/** Whether a driver's error says that a unique key exists already. */
export const isUniqueViolation = (error: unknown): boolean => {
  const { code, errcode } = error as { code?: unknown; errcode?: unknown }
  // 2067: SQLITE_CONSTRAINT_UNIQUE, 1555: SQLITE_CONSTRAINT_PRIMARYKEY; 23505: unique_violation.
  return code === '23505' || errcode === 2067 || errcode === 1555
}

/**
 * Whether the same write may work in a moment: also one that was refused for a deadlock time and again, or by a server that takes no writes
 * any more because its standby is about to take over (25006).
 */
export const mayWorkSoon = (error: unknown): boolean =>
  isOutage(error) || isDeadlock(error) || (error as { code?: unknown }).code === '25006'
