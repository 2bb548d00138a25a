/** The database on SQLite: one writing connection, one reading one, and a lock file that keeps a second process out. */
import { chmodSync, existsSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { Kysely } from 'kysely'
import { messageOf } from '../errors.ts'
import { eventRow } from '../events/event.ts'
import type { EventHub } from '../events/hub.ts'
import type { Database } from './database.ts'
import { dbErrors } from './errors.ts'
import {
  insertEvent,
  makeGroupCommit,
  staleWrite,
  type Unit,
  type UnitResult,
  type WriteGroup,
} from './group-commit.ts'
import { makeLock } from './lock.ts'
import { openSqlite, type SqliteConnection } from './sqlite-connection.ts'
import { makeSqliteDialect } from './sqlite-dialect.ts'
import { type GuardedRow, guardQuery, holds } from './statements.ts'
import { publishing } from './transaction.ts'

const GUARDS = { runs: guardQuery('runs').sqlite, tasks: guardQuery('tasks').sqlite } as const

const writeUnit = (sqlite: SqliteConnection, unit: Unit): UnitResult => {
  for (const guard of unit.guards ?? []) {
    const row = sqlite.prepare(GUARDS[guard.table]).get(guard.id)
    if (!holds(row as GuardedRow | undefined, guard)) return staleWrite(guard)
  }
  for (const { statement, row } of unit.writes) sqlite.prepare(statement.sqlite).run(...row)
  if (!unit.events || unit.events.length === 0) return { eventIds: [] }
  const insert = sqlite.prepare(insertEvent.sqlite)
  return { eventIds: unit.events.map((event) => Number(insert.run(...eventRow(event)).lastInsertRowid)) }
}

const inTransaction = <T>(sqlite: SqliteConnection, work: () => T): T => {
  sqlite.exec('BEGIN IMMEDIATE')
  try {
    const result = work()
    sqlite.exec('COMMIT')
    return result
  } catch (error) {
    if (sqlite.raw.isTransaction) sqlite.exec('ROLLBACK')
    throw error
  }
}

const makeWriteGroup = (sqlite: SqliteConnection, lock: ReturnType<typeof makeLock>): WriteGroup => {
  const writeOne = (unit: Unit): UnitResult => {
    try {
      return inTransaction(sqlite, () => writeUnit(sqlite, unit))
    } catch (error) {
      return error as Error
    }
  }
  return async (units) => {
    const release = lock.tryAcquire() ?? (await lock.acquire())
    try {
      return inTransaction(sqlite, () => units.map((unit) => writeUnit(sqlite, unit)))
    } catch (error) {
      // A unit broke a rule of the schema: each is tried alone, so that only the faulty one fails.
      return units.length === 1 ? [error as Error] : units.map(writeOne)
    } finally {
      release()
    }
  }
}

const SQLITE_BUSY = 5

/** Missing permissions, or a file that is something else. */
const unusable = (file: string, cause: unknown): Error =>
  dbErrors.database_unusable(
    `the database ${file} cannot be opened: ${messageOf(cause)}; see to it, or set AIDOS_DATA_DIR to another folder`,
    { cause },
  )

/** Held by the operating system for as long as the process lives: no stale lock after a crash. */
const holdFile = (file: string): SqliteConnection => {
  let holder: SqliteConnection | undefined
  try {
    holder = openSqlite(`${file}.lock`, { journal: 'DELETE', busyTimeoutMs: 200 })
    holder.exec('PRAGMA locking_mode = EXCLUSIVE')
    holder.exec('BEGIN EXCLUSIVE')
    return holder
  } catch (cause) {
    holder?.close()
    if ((cause as { errcode?: unknown }).errcode !== SQLITE_BUSY) throw unusable(`${file}.lock`, cause)
    throw dbErrors.database_in_use(
      `the database ${file} is in use by another AIDOS process; stop it, or set AIDOS_DATA_DIR to another folder`,
      { cause },
    )
  }
}

const openWriter = (file: string): SqliteConnection => {
  try {
    return openSqlite(file)
  } catch (cause) {
    throw unusable(file, cause)
  }
}

export const openSqliteDatabase = (options: { file: string; hub: EventHub }): Database => {
  const { file, hub } = options
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  const isNew = !existsSync(file)
  const holder = holdFile(file)
  const writer = openWriter(file)
  if (isNew) chmodSync(file, 0o600)
  const reader = openSqlite(file, { readOnly: true })
  const lock = makeLock()
  const write = new Kysely<unknown>({ dialect: makeSqliteDialect(writer, lock) })
  const read = new Kysely<unknown>({ dialect: makeSqliteDialect(reader, makeLock()) })
  const group = makeGroupCommit({ writeGroup: makeWriteGroup(writer, lock), publish: (events) => hub.publish(events) })
  return {
    dialect: 'sqlite',
    isExclusive: true,
    primary: read,
    commit: group.commit,
    announce: (events) => options.hub.publish(events),
    commitStats: group.stats,
    transaction: (work) => publishing(write, hub, work),
    longTransaction: (work) => publishing(write, hub, work),
    async ping() {
      reader.prepare('SELECT 1').get()
    },
    async stop() {
      await group.drain()
      await write.destroy()
      await read.destroy()
      reader.close()
      writer.close()
      holder.close()
    },
  }
}
