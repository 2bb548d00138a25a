/** Keyset paging in SQL: where the page after a row begins, in lists ordered by `created_at desc, id desc`. */
import { type RawBuilder, type SqlBool, sql } from 'kysely'

/** `query.where(olderThan(before))`: rows made before that one. `table` where the query joins several. */
export const olderThan = (
  { createdAtMs, id }: { readonly createdAtMs: number; readonly id: string },
  table?: string,
): RawBuilder<SqlBool> => {
  const prefix = table === undefined ? '' : `${table}.`
  return sql<SqlBool>`(${sql.ref(`${prefix}created_at`)}, ${sql.ref(`${prefix}id`)}) < (${createdAtMs}, ${id})`
}
