/** One SQLite connection (`node:sqlite`) with a cache of prepared statements and the settings that make a commit durable. */
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'

export interface SqliteConnection {
  readonly raw: DatabaseSync
  /** The prepared statement of a text; prepared once. */
  prepare(sql: string): StatementSync
  exec(sql: string): void
  close(): void
}

export type SqliteValue = SQLInputValue

const CACHED_STATEMENTS = 500

export interface SqliteOptions {
  readonly readOnly?: boolean
  readonly journal?: 'WAL' | 'DELETE'
  readonly busyTimeoutMs?: number
}

const pragmasOf = ({ readOnly, journal = 'WAL', busyTimeoutMs = 5000 }: SqliteOptions): string[] => [
  `busy_timeout = ${busyTimeoutMs}`,
  `journal_mode = ${journal}`,
  'synchronous = FULL',
  'foreign_keys = ON',
  'temp_store = MEMORY',
  ...(readOnly ? ['query_only = ON'] : []),
]

/** Opens a file. `readOnly` connections see the last commit and never block the writer (WAL). */
export const openSqlite = (file: string, options: SqliteOptions = {}): SqliteConnection => {
  const raw = new DatabaseSync(file)
  try {
    for (const pragma of pragmasOf(options)) raw.exec(`PRAGMA ${pragma}`)
  } catch (error) {
    raw.close()
    throw error
  }
  const statements = new Map<string, StatementSync>()
  return {
    raw,
    prepare(sql) {
      const known = statements.get(sql)
      if (known) return known
      if (statements.size >= CACHED_STATEMENTS) statements.delete(statements.keys().next().value as string)
      const made = raw.prepare(sql)
      statements.set(sql, made)
      return made
    },
    exec: (sql) => raw.exec(sql),
    close: () => {
      statements.clear()
      raw.close()
    },
  }
}
