/** Counts of rows as numbers: PostgreSQL sends them as text. */
import { type SelectQueryBuilder, type SqlBool, type StringReference, sql } from 'kysely'

interface Count {
  readonly count: number | string
}

/** How many rows the query finds. */
export const countRows = async <DB, TB extends keyof DB>(
  query: SelectQueryBuilder<DB, TB, object>,
): Promise<number> => {
  const counting = query.select(({ fn }) => fn.countAll().as('count')).$castTo<Count>()
  return Number((await counting.executeTakeFirstOrThrow()).count)
}

/** How many rows the query finds of each value of a column. */
export const countRowsBy = async <DB, TB extends keyof DB>(
  query: SelectQueryBuilder<DB, TB, object>,
  column: StringReference<DB, TB>,
): Promise<Record<string, number>> => {
  const counting = query.select(({ fn, ref }) => [ref(column).as('value'), fn.countAll().as('count')]).groupBy(column)
  const rows = await counting.$castTo<Count & { readonly value: string }>().execute()
  return Object.fromEntries(rows.map(({ value, count }) => [value, Number(count)]))
}

/** The same of those values only, with 0 where there is none. */
export const countRowsAmong = async <DB, TB extends keyof DB>(
  query: SelectQueryBuilder<DB, TB, object>,
  column: StringReference<DB, TB>,
  values: readonly string[],
): Promise<Record<string, number>> => {
  const none = Object.fromEntries(values.map((value) => [value, 0]))
  const among = query.where(sql<SqlBool>`${sql.ref(column as string)} IN (${sql.join(values)})`)
  return { ...none, ...(await countRowsBy(among, column)) }
}
