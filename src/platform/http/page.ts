/** Keyset paging: a cursor names the last row of a page, so that page a thousand costs what page one does. */
import { z } from 'zod'
import { defineErrors } from '../errors.ts'

const pageErrors = defineErrors({ cursor_invalid: { status: 400 } })

export const pageQuery = {
  limit: z.coerce.number().int().min(1).max(500).default(50).describe('Rows per page.'),
  cursor: z.string().max(500).optional().describe('`nextCursor` of the page before.'),
}

export interface Page<T> {
  readonly items: T[]
  readonly nextCursor: string | null
}

/** The schema of a page, for the documentation. */
export const pageOf = <T extends z.ZodType>(item: T) =>
  z.object({ items: z.array(item), nextCursor: z.string().nullable() })

export interface CreatedCursor {
  readonly createdAtMs: number
  readonly id: string
}

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

const decode = (cursor: string): unknown => {
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString())
  } catch {
    return undefined
  }
}

/** The cursor of rows ordered by the time of their making. Throws `cursor_invalid`. */
export const readCursor = (cursor: string | undefined): CreatedCursor | undefined => {
  if (cursor === undefined) return undefined
  const given = decode(cursor)
  const [createdAtMs, id] = (Array.isArray(given) ? given : []) as [unknown, unknown]
  // Anybody can write one: what no database column could hold must not reach the database.
  if (Number.isSafeInteger(createdAtMs) && typeof id === 'string' && /^[\w:.-]{1,100}$/.test(id)) {
    return { createdAtMs: createdAtMs as number, id }
  }
  throw pageErrors.cursor_invalid(`the cursor "${cursor}" was not given by this API; start without one`)
}

/** A page of rows read with `limit + 1`, newest first. */
export const toPage = <R extends CreatedCursor, T>(rows: readonly R[], limit: number, view: (row: R) => T): Page<T> => {
  const items = rows.slice(0, limit)
  const last = items.at(-1)
  const nextCursor = rows.length > limit && last ? encode([last.createdAtMs, last.id]) : null
  return { items: items.map(view), nextCursor }
}
