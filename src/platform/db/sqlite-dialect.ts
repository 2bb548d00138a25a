/** Kysely's dialect over `node:sqlite`: one connection, lent to one user at a time. */
import {
  CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely'
import type { Lock } from './lock.ts'
import type { SqliteConnection, SqliteValue } from './sqlite-connection.ts'

const makeConnection = (sqlite: SqliteConnection): DatabaseConnection => ({
  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    const statement = sqlite.prepare(query.sql)
    const values = query.parameters as SqliteValue[]
    if (statement.columns().length > 0) return { rows: statement.all(...values) as R[] }
    const { changes, lastInsertRowid } = statement.run(...values)
    return { rows: [], numAffectedRows: BigInt(changes), insertId: BigInt(lastInsertRowid) }
  },
  // biome-ignore lint/correctness/useYield: SQLite answers are read whole; callers page instead.
  async *streamQuery() {
    throw new Error('streaming is not supported on SQLite')
  },
})

/** `lock` is held for the length of a query or a transaction; the group commit takes the same lock. */
export const makeSqliteDialect = (sqlite: SqliteConnection, lock: Lock): Dialect => {
  const connection = makeConnection(sqlite)
  let release: (() => void) | undefined
  const driver: Driver = {
    async init() {},
    async acquireConnection() {
      release = await lock.acquire()
      return connection
    },
    async beginTransaction() {
      await connection.executeQuery(CompiledQuery.raw('BEGIN IMMEDIATE'))
    },
    async commitTransaction() {
      await connection.executeQuery(CompiledQuery.raw('COMMIT'))
    },
    async rollbackTransaction() {
      if (sqlite.raw.isTransaction) await connection.executeQuery(CompiledQuery.raw('ROLLBACK'))
    },
    async releaseConnection() {
      const held = release
      release = undefined
      held?.()
    },
    async destroy() {},
  }
  return {
    createAdapter: () => new SqliteAdapter(),
    createDriver: () => driver,
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  }
}
