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

/** Opens a file. `readOnly` connections see the last commit and never block the writer (WAL). */
export const openSqlite = (file: string, options: SqliteOptions = {}): SqliteConnection => {
  const raw = new DatabaseSync(file)
  raw.exec(`PRAGMA busy_timeout = ${options.busyTimeoutMs ?? 5000}`)
  raw.exec(`PRAGMA journal_mode = ${options.journal ?? 'WAL'}`)
  raw.exec('PRAGMA synchronous = FULL')
  raw.exec('PRAGMA foreign_keys = ON')
  raw.exec('PRAGMA temp_store = MEMORY')
  if (options.readOnly) raw.exec('PRAGMA query_only = ON')
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
