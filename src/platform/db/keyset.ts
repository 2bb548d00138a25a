/** Keyset paging in SQL: where the page after a row begins, in lists ordered by `created_at desc, id desc`. */
import { type RawBuilder, type SqlBool, sql } from 'kysely'

/** `query.where(olderThan(before))`: rows made before that one. */
export const olderThan = ({
  createdAtMs,
  id,
}: {
  readonly createdAtMs: number
  readonly id: string
}): RawBuilder<SqlBool> => sql<SqlBool>`(created_at, id) < (${createdAtMs}, ${id})`
