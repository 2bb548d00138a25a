/** The database on PostgreSQL: a tuned pool with named statements, and the group commit as many-row statements. */
import { createHash } from 'node:crypto'
import { Kysely, PostgresDialect, type PostgresPool } from 'kysely'
import pg from 'pg'
import { eventRow } from '../events/event.ts'
import type { EventHub } from '../events/hub.ts'
import type { Database } from './database.ts'
import { isRefusedData } from './errors.ts'
import {
  insertEvent,
  makeGroupCommit,
  staleWrite,
  type Unit,
  type UnitResult,
  type WriteGroup,
} from './group-commit.ts'
import { type Guard, type GuardedTable, guardQuery, type RowStatement, type RowValue } from './statements.ts'
import { publishing } from './transaction.ts'

export interface PostgresOptions {
  readonly host: string
  readonly port: number
  readonly database: string
  readonly user: string
  readonly password: string
  readonly poolMin: number
  readonly poolMax: number
  readonly hub: EventHub
  /** Told of errors of idle connections, which have no caller of their own. */
  readonly onError: (error: Error) => void
}

const INT8 = 20
const NAMED_STATEMENTS = 500

/** Names a statement by its text, so that the server parses and plans it once per connection. The number of names is bounded. */
const makeStatementNames = (): ((text: string) => string | undefined) => {
  const names = new Map<string, string>()
  return (text) => {
    const known = names.get(text)
    if (known || names.size >= NAMED_STATEMENTS) return known
    const name = `a_${createHash('sha1').update(text).digest('base64url').slice(0, 16)}`
    names.set(text, name)
    return name
  }
}

type Query = (text: string, values: unknown[]) => Promise<pg.QueryResult>

const makePool = (options: PostgresOptions): pg.Pool => {
  const pool = new pg.Pool({
    host: options.host,
    port: options.port,
    database: options.database,
    user: options.user,
    password: options.password,
    min: options.poolMin,
    max: options.poolMax,
    connectionTimeoutMillis: 10_000,
    idleTimeoutMillis: 30_000,
    application_name: 'aidos',
    keepAlive: true,
    // A connection that is dead without saying so must not hold everything up.
    query_timeout: 60_000,
    // Times and counts are below 2^53: plain numbers.
    types: {
      getTypeParser: (oid: number, format?: 'text' | 'binary') =>
        oid === INT8 ? Number : pg.types.getTypeParser(oid, format as 'text'),
    } as pg.CustomTypesConfig,
  })
  pool.on('error', options.onError)
  // While a connection is lent out the pool does not listen, and an error without a listener ends the process.
  pool.on('connect', (client) => client.on('error', options.onError))
  return pool
}

const queryWith = (client: pg.PoolClient, nameOf: (text: string) => string | undefined): Query => {
  return (text, values) => {
    const name = nameOf(text)
    return client.query(name ? { name, text, values } : { text, values })
  }
}

const checkGuards = async (query: Query, units: readonly Unit[]): Promise<(Error | undefined)[]> => {
  const fences = { runs: new Map<string, number>(), tasks: new Map<string, number>() }
  for (const table of ['runs', 'tasks'] as const satisfies GuardedTable[]) {
    const ids = new Set(units.flatMap((unit) => (unit.guards ?? []).filter((g) => g.table === table).map((g) => g.id)))
    if (ids.size === 0) continue
    const { rows } = await query(guardQuery(table).postgres, [[...ids]])
    for (const row of rows as { id: string; fence: number }[]) fences[table].set(row.id, row.fence)
  }
  const failed = (guard: Guard): boolean => fences[guard.table].get(guard.id) !== guard.fence
  return units.map((unit) => {
    const stale = unit.guards?.find(failed)
    return stale && staleWrite(stale)
  })
}

const columnArrays = (statement: RowStatement, rows: readonly (readonly RowValue[])[]): RowValue[][] =>
  statement.types.map((_, i) => rows.map((row) => row[i] ?? null))

type Rows = (readonly RowValue[])[]

/** An UPDATE over arrays changes a row once only, so rows that name the same key go in waves, one after the other. */
const inWaves = (statement: RowStatement, rows: Rows): Rows[] => {
  if (statement.keyCount === 0 || rows.length === 1) return [rows]
  const seen = new Map<string, number>()
  const waves: Rows[] = []
  for (const row of rows) {
    const key = row.slice(0, statement.keyCount).join('\n')
    const wave = seen.get(key) ?? 0
    seen.set(key, wave + 1)
    if (waves[wave]) waves[wave].push(row)
    else waves[wave] = [row]
  }
  return waves
}

/** Inserts of all units first, then updates, each statement once for all its rows. */
const writeRows = async (query: Query, units: readonly Unit[]): Promise<void> => {
  const rowsOf = new Map<RowStatement, Rows>()
  for (const unit of units) {
    for (const { statement, row } of unit.writes) {
      const rows = rowsOf.get(statement)
      if (rows) rows.push(row)
      else rowsOf.set(statement, [row])
    }
  }
  const ordered = [...rowsOf].sort(([a], [b]) => Math.sign(a.keyCount) - Math.sign(b.keyCount))
  for (const [statement, rows] of ordered) {
    for (const wave of inWaves(statement, rows)) await query(statement.postgres, columnArrays(statement, wave))
  }
}

const writeEvents = async (query: Query, units: readonly Unit[]): Promise<number[]> => {
  const rows = units.flatMap((unit) => (unit.events ?? []).map(eventRow))
  if (rows.length === 0) return []
  const { rows: ids } = await query(insertEvent.postgres, columnArrays(insertEvent, rows))
  return (ids as { id: number }[]).map((row) => row.id)
}

/** Guards are checked before anything is written: a unit whose guarded row gets another fence from an earlier one goes after it. */
const inRounds = (units: readonly Unit[]): number[] => {
  const moved = new Map<string, number>()
  return units.map(({ guards = [], writes }) => {
    const round = Math.max(0, ...guards.map(({ id }) => moved.get(id) ?? 0))
    for (const { statement, row } of writes) if (statement.movesFence) moved.set(row[0] as string, round + 1)
    return round
  })
}

const makeWriteGroup = (pool: pg.Pool, nameOf: (text: string) => string | undefined): WriteGroup => {
  const writeTogether = async (units: readonly Unit[]): Promise<UnitResult[]> => {
    const client = await pool.connect()
    let broken: Error | undefined
    try {
      const query = queryWith(client, nameOf)
      await client.query('BEGIN')
      const refused = await checkGuards(query, units)
      const accepted = units.filter((_, i) => !refused[i])
      await writeRows(query, accepted)
      const ids = await writeEvents(query, accepted)
      await client.query('COMMIT')
      let next = 0
      return units.map((unit, i) => {
        if (refused[i]) return refused[i]
        const count = unit.events?.length ?? 0
        next += count
        return { eventIds: ids.slice(next - count, next) }
      })
    } catch (error) {
      await client.query('ROLLBACK').catch((rollbackError: Error) => {
        broken = rollbackError
      })
      throw error
    } finally {
      client.release(broken)
    }
  }
  const writeRound = async (units: readonly Unit[]): Promise<UnitResult[]> => {
    try {
      return await writeTogether(units)
    } catch (error) {
      if (!isRefusedData(error)) throw error
      if (units.length === 1) return [error as Error]
      const results: UnitResult[] = []
      for (const unit of units) {
        results.push(...(await writeTogether([unit]).catch((unitError: Error) => [unitError])))
      }
      return results
    }
  }
  return async (units) => {
    const rounds = inRounds(units)
    const last = Math.max(...rounds)
    if (last === 0) return writeRound(units)
    const results: UnitResult[] = []
    for (let round = 0; round <= last; round++) {
      const at = rounds.flatMap((r, i) => (r === round ? [i] : []))
      // What an earlier round wrote is durable: a later one that fails must not take it back.
      const written = await writeRound(at.map((i) => units[i]!)).catch((error: Error) => at.map(() => error))
      at.forEach((i, k) => {
        results[i] = written[k]!
      })
    }
    return results
  }
}

export const openPostgresDatabase = (options: PostgresOptions): Database => {
  const pool = makePool(options)
  const nameOf = makeStatementNames()
  const kyselyPool = {
    options: pool.options,
    connect: async () => {
      const client = await pool.connect()
      const query = queryWith(client, nameOf)
      return {
        query: (text: string, values: readonly unknown[]) => query(text, [...values]),
        release: () => client.release(),
      }
    },
    end: () => pool.end(),
  } as unknown as PostgresPool
  const kysely = new Kysely<unknown>({ dialect: new PostgresDialect({ pool: kyselyPool }) })
  const group = makeGroupCommit({
    writeGroup: makeWriteGroup(pool, nameOf),
    publish: (events) => options.hub.publish(events),
  })
  return {
    dialect: 'postgres',
    isExclusive: false,
    primary: kysely,
    commit: group.commit,
    commitStats: group.stats,
    transaction: (work) => publishing(kysely, options.hub, work),
    async ping() {
      await pool.query('SELECT 1')
    },
    async stop() {
      await group.drain()
      await kysely.destroy()
    },
  }
}
