/** Brings a database's tables up to date. Migrations are numbered, go forward only, and one set serves both dialects. */
import { CompiledQuery, sql } from 'kysely'
import type { Database } from './database.ts'
import { dbErrors } from './errors.ts'

/** The few words in which the dialects differ. */
export interface SqlWords {
  /** For what one dialect alone can say, such as a trigger. */
  readonly dialect: 'sqlite' | 'postgres'
  /** A number that the database gives, rising. */
  readonly serial: string
  /** Ends a CREATE TABLE whose rows are small and read in the order of their key. */
  readonly clustered: string
}

export interface Migration {
  /** `0001-name`; the number decides the order. */
  readonly name: string
  statements(words: SqlWords): readonly string[]
}

const WORDS = {
  sqlite: { dialect: 'sqlite', serial: 'INTEGER PRIMARY KEY AUTOINCREMENT', clustered: 'WITHOUT ROWID' },
  postgres: { dialect: 'postgres', serial: 'BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY', clustered: '' },
} as const

/** Any number that nothing else uses: the advisory lock that lets one process migrate at a time. */
const MIGRATION_LOCK = 4_172_026

/** Runs what is missing, in one transaction; returns the names. A database that is newer than the code is refused. */
export const migrate = async (db: Database, migrations: readonly Migration[]): Promise<string[]> =>
  db.longTransaction(async (tx) => {
    const run = (text: string) => tx.executeQuery(CompiledQuery.raw(text))
    if (db.dialect === 'postgres') await run(`SELECT pg_advisory_xact_lock(${MIGRATION_LOCK})`)
    await run('CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY, applied_at BIGINT NOT NULL)')
    const { rows } = await sql<{ name: string }>`SELECT name FROM migrations ORDER BY name`.execute(tx)
    const applied = new Set(rows.map((row) => row.name))
    const known = new Set(migrations.map((migration) => migration.name))
    const foreign = [...applied].filter((name) => !known.has(name))
    if (foreign.length > 0) {
      throw dbErrors.database_newer(
        `the database was made by a newer AIDOS (it has ${foreign.join(', ')}, unknown here); start that version or newer`,
      )
    }
    const missing = migrations.filter((migration) => !applied.has(migration.name))
    for (const migration of missing) {
      for (const statement of migration.statements(WORDS[db.dialect])) await run(statement)
      await sql`INSERT INTO migrations (name, applied_at) VALUES (${migration.name}, ${Date.now()})`.execute(tx)
    }
    return missing.map((migration) => migration.name)
  })
