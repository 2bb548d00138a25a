/** Counts of rows as numbers: PostgreSQL sends them as text. */
import type { SelectQueryBuilder, StringReference } from 'kysely'

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
