/**
 * Many-row statements: the shape in which hot writes reach the database. Each is written once and serves both dialects:
 * SQLite runs the single-row text per row (prepared), PostgreSQL sends all rows at once as arrays (`unnest`).
 */

export type ColumnType = 'text' | 'bigint'
export type Columns = Readonly<Record<string, ColumnType>>
export type RowValue = string | number | null

export interface RowStatement {
  readonly name: string
  readonly types: readonly ColumnType[]
  /** How many of the leading columns find the row of an update; 0 for an insert. */
  readonly keyCount: number
  /** An update that gives the row another fence. */
  readonly movesFence: boolean
  readonly sqlite: string
  readonly postgres: string
}

/** One row for one statement; `row` follows the order of the statement's columns. */
export interface Write {
  readonly statement: RowStatement
  readonly row: readonly RowValue[]
}

const unnest = (types: readonly ColumnType[]): string => types.map((type, i) => `$${i + 1}::${type}[]`).join(', ')

/** `INSERT`. A row takes its values in the order of `columns`. */
export const insertRows = (table: string, columns: Columns, options: { returning?: string } = {}): RowStatement => {
  const names = Object.keys(columns)
  const types = Object.values(columns)
  const returning = options.returning ? ` RETURNING ${options.returning}` : ''
  return {
    name: `insert_${table}`,
    types,
    keyCount: 0,
    movesFence: false,
    sqlite: `INSERT INTO ${table} (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})`,
    postgres: `INSERT INTO ${table} (${names.join(', ')}) SELECT * FROM unnest(${unnest(types)})${returning}`,
  }
}

export interface UpdateOptions {
  /** Columns that grow by their value instead of being set to it. */
  readonly add?: readonly string[]
  /** What a column becomes, where it is not simply its value; `$value` stands for that. */
  readonly expressions?: Readonly<Record<string, string>>
  /** A further condition on the row. */
  readonly where?: string
}

/** `UPDATE … WHERE every key is equal`. A row takes the keys first, then the values of `set`. */
export const updateRows = (
  name: string,
  table: string,
  keys: Columns,
  set: Columns,
  options: UpdateOptions = {},
): RowStatement => {
  const keyNames = Object.keys(keys)
  const setNames = Object.keys(set)
  const types = [...Object.values(keys), ...Object.values(set)]
  const assign = (column: string, value: string): string => {
    if (options.add?.includes(column)) return `${column} = ${table}.${column} + ${value}`
    const expression = options.expressions?.[column]
    return `${column} = ${expression ? expression.replaceAll('$value', value) : value}`
  }
  const where = options.where ? ` AND ${options.where}` : ''
  const sqliteIndex = (i: number): string => `?${i + 1}`
  const aliases = [...keyNames.map((key) => `k_${key}`), ...setNames.map((column) => `s_${column}`)]
  return {
    name,
    types,
    keyCount: keyNames.length,
    movesFence: setNames.includes('fence'),
    sqlite: `UPDATE ${table} SET ${setNames.map((c, i) => assign(c, sqliteIndex(keyNames.length + i))).join(', ')} WHERE ${keyNames
      .map((key, i) => `${key} = ${sqliteIndex(i)}`)
      .join(' AND ')}${where}`,
    postgres: `UPDATE ${table} SET ${setNames.map((c) => assign(c, `v.s_${c}`)).join(', ')} FROM unnest(${unnest(types)}) AS v(${aliases.join(
      ', ',
    )}) WHERE ${keyNames.map((key) => `${table}.${key} = v.k_${key}`).join(' AND ')}${where}`,
  }
}

/** Says that a row must still carry a fencing token when the transaction commits; otherwise the whole unit is refused. */
export interface Guard {
  readonly table: GuardedTable
  readonly id: string
  readonly fence: number
  /** Of runs: also, that nothing more has been left for it than this. */
  readonly news?: number
}

export type GuardedTable = 'runs' | 'tasks'

/** What guards look at in a row. */
export interface GuardedRow {
  readonly fence: number
  readonly news?: number
}

export const holds = (row: GuardedRow | undefined, { fence, news }: Guard): boolean =>
  row?.fence === fence && (news === undefined || row.news === news)

const GUARDED_COLUMNS = { runs: 'id, fence, news', tasks: 'id, fence' } as const

export const guardQuery = (table: GuardedTable): { sqlite: string; postgres: string } => ({
  sqlite: `SELECT ${GUARDED_COLUMNS[table]} FROM ${table} WHERE id = ?`,
  // Locked in the order of ids, so that two processes that touch the same rows cannot deadlock.
  postgres: `SELECT ${GUARDED_COLUMNS[table]} FROM ${table} WHERE id = ANY($1::text[]) ORDER BY id FOR UPDATE`,
})
