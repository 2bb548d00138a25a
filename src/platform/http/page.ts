/** Keyset paging: a cursor names the last row of a page, so that page a thousand costs what page one does. */
import { z } from 'zod'
import { defineErrors } from '../errors.ts'

const pageErrors = defineErrors({ cursor_invalid: { status: 400 } })

export const pageQuery = {
  limit: z.coerce.number().int().min(1).max(500).default(50).describe('Rows per page.'),
  cursor: z.string().max(500).optional().describe('`nextCursor` of the page before.'),
}

interface PageQuery {
  readonly limit: number
  readonly cursor?: string | undefined
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

const readCursor = (cursor: string | undefined): CreatedCursor | undefined => {
  if (cursor === undefined) return undefined
  const given = decode(cursor)
  const [createdAtMs, id] = (Array.isArray(given) ? given : []) as [unknown, unknown]
  // Anybody can write one: what no database column could hold must not reach the database.
  if (Number.isSafeInteger(createdAtMs) && typeof id === 'string' && /^[\w:.-]{1,100}$/.test(id)) {
    return { createdAtMs: createdAtMs as number, id }
  }
  throw pageErrors.cursor_invalid(`the cursor "${cursor}" was not given by this API; start without one`)
}

/** What is asked of a list: the query as it was given, but for where the page begins and how many rows to read. */
export type PageRead<Q extends PageQuery> = Omit<Q, keyof PageQuery> & {
  readonly after: CreatedCursor | undefined
  readonly limit: number
}

/**
 * A page of what `read` gives newest first: it is asked for one row more, which says whether there is another page.
 * Throws `cursor_invalid`.
 */
export const readPage = async <Q extends PageQuery, R extends CreatedCursor, T>(
  query: Q,
  read: (filter: PageRead<Q>) => Promise<readonly R[]>,
  view: (row: R) => T,
): Promise<Page<T>> => {
  const { limit, cursor, ...filter } = query
  const rows = await read({ ...filter, after: readCursor(cursor), limit: limit + 1 })
  const items = rows.slice(0, limit)
  const last = items.at(-1)
  const nextCursor = rows.length > limit && last ? encode([last.createdAtMs, last.id]) : null
  return { items: items.map(view), nextCursor }
}
