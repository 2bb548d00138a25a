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

/** By what a list is ordered: how a cursor names the place of a row, and how it is read. */
export interface PageOrder<R, P> {
  /** As JSON. */
  placeOf(row: R): unknown
  /** Anybody can write a cursor: what no database column could hold must not get past this. */
  readonly place: z.ZodType<P>
}

const newestFirst: PageOrder<CreatedCursor, CreatedCursor> = {
  placeOf: ({ createdAtMs, id }) => [createdAtMs, id],
  place: z
    .tuple([z.int(), z.string().regex(/^[\w:.-]{1,100}$/)])
    .transform(([createdAtMs, id]) => ({ createdAtMs, id })),
}

/** What is asked of a list: the query as it was given, but for where the page begins and how many rows to read. */
export type PageRead<Q extends PageQuery, P = CreatedCursor> = Omit<Q, keyof PageQuery> & {
  readonly after: P | undefined
  readonly limit: number
}

/**
 * A page of what `read` gives in that order: it is asked for one row more, which says whether there is another page.
 * Throws `cursor_invalid`.
 */
export const readPageBy = async <Q extends PageQuery, R, P, T>(
  { placeOf, place }: PageOrder<R, P>,
  { limit, cursor, ...filter }: Q,
  read: (filter: PageRead<Q, P>) => Promise<readonly R[]>,
  view: (row: R) => T,
): Promise<Page<T>> => {
  const after = cursor === undefined ? undefined : place.safeParse(decode(cursor))
  if (after?.success === false)
    throw pageErrors.cursor_invalid(`the cursor "${cursor}" was not given by this list; start without one`)
  const rows = await read({ ...filter, after: after?.data, limit: limit + 1 })
  const items = rows.slice(0, limit)
  const last = items.at(-1)
  const nextCursor = rows.length > limit && last !== undefined ? encode(placeOf(last)) : null
  return { items: items.map(view), nextCursor }
}

/** A page of a list that is ordered newest first. */
export const readPage = <Q extends PageQuery, R extends CreatedCursor, T>(
  query: Q,
  read: (filter: PageRead<Q>) => Promise<readonly R[]>,
  view: (row: R) => T,
): Promise<Page<T>> => readPageBy(newestFirst, query, read, view)
