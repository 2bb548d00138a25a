/**
 * The group commit on PostgreSQL: all units of a group in one transaction, each statement once for all its rows. What is expected to
 * succeed is sent as a whole, without waiting between the statements; should a guard fail, it is done again step by step.
 */
import { createHash } from 'node:crypto'
import type pg from 'pg'
import { eventRow } from '../events/event.ts'
import { isDeadlock, isRefusedData } from './errors.ts'
import { insertEvent, staleWrite, type Unit, type UnitResult, type WriteGroup } from './group-commit.ts'
import {
  type Guard,
  type GuardedRow,
  type GuardedTable,
  guardQuery,
  holds,
  type RowStatement,
  type RowValue,
} from './statements.ts'

const NAMED_STATEMENTS = 500
const DEADLOCK_TRIES = 5

/** Names a statement by its text, so that the server parses and plans it once per connection. The number of names is bounded. */
export const makeStatementNames = (): ((text: string) => string | undefined) => {
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

export const queryWith = (client: pg.PoolClient, nameOf: (text: string) => string | undefined): Query => {
  return (text, values) => {
    const name = nameOf(text)
    return client.query(name ? { name, text, values } : { text, values })
  }
}

const checkGuards = async (query: Query, units: readonly Unit[]): Promise<(Error | undefined)[]> => {
  const held = { runs: new Map<string, GuardedRow>(), tasks: new Map<string, GuardedRow>() }
  for (const table of ['runs', 'tasks'] as const satisfies GuardedTable[]) {
    const ids = new Set(units.flatMap((unit) => (unit.guards ?? []).filter((g) => g.table === table).map((g) => g.id)))
    if (ids.size === 0) continue
    const { rows } = await query(guardQuery(table).postgres, [[...ids]])
    for (const row of rows as (GuardedRow & { id: string })[]) held[table].set(row.id, row)
  }
  const failed = (guard: Guard): boolean => !holds(held[guard.table].get(guard.id), guard)
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

/** Inserts of all units first, then updates, each statement once for all its rows. Sent without waiting for one another. */
const sendRows = (query: Query, units: readonly Unit[]): Promise<pg.QueryResult>[] => {
  const rowsOf = new Map<RowStatement, Rows>()
  for (const unit of units) {
    for (const { statement, row } of unit.writes) {
      const rows = rowsOf.get(statement)
      if (rows) rows.push(row)
      else rowsOf.set(statement, [row])
    }
  }
  const ordered = [...rowsOf].sort(([a], [b]) => Math.sign(a.keyCount) - Math.sign(b.keyCount))
  return ordered.flatMap(([statement, rows]) =>
    inWaves(statement, rows).map((wave) => query(statement.postgres, columnArrays(statement, wave))),
  )
}

const sendEvents = (query: Query, units: readonly Unit[]): Promise<pg.QueryResult>[] => {
  const rows = units.flatMap((unit) => (unit.events ?? []).map(eventRow))
  return rows.length === 0 ? [] : [query(insertEvent.postgres, columnArrays(insertEvent, rows))]
}

/** All of them, or the error of the first that failed. */
const allOf = async (sent: readonly Promise<pg.QueryResult>[]): Promise<pg.QueryResult[]> => {
  const results = await Promise.allSettled(sent)
  return results.map((result) => {
    if (result.status === 'rejected') throw result.reason
    return result.value
  })
}

const idsOf = (result: pg.QueryResult | undefined): number[] =>
  ((result?.rows ?? []) as { id: number }[]).map((row) => row.id)

/** Writes the units and commits, as one message; returns the ids of their events. */
const sendAndCommit = async (
  client: pg.PoolClient,
  query: Query,
  units: readonly Unit[],
  before: readonly Promise<pg.QueryResult>[] = [],
): Promise<number[]> => {
  const rows = sendRows(query, units)
  const events = sendEvents(query, units)
  const done = await allOf([...before, ...rows, ...events, client.query('COMMIT')])
  if (done.at(-1)?.command !== 'COMMIT') throw new Error('the transaction was not committed')
  return idsOf(events.length > 0 ? done.at(-2) : undefined)
}

const STALE_MARK = '22012'
/** Fails, with a division by zero, unless every row is as its guard says; locks them in the order of ids, as the slow way does. */
const assertQuery = (table: GuardedTable): string => {
  const isUnheard = table === 'runs' ? ' AND (g.news IS NULL OR g.news = t.news)' : ''
  return `SELECT 1 / (CASE WHEN count(*) = cardinality($1::text[]) THEN 1 ELSE 0 END) FROM (SELECT t.id FROM ${table} t
   JOIN unnest($1::text[], $2::bigint[], $3::bigint[]) AS g(id, fence, news) ON g.id = t.id AND g.fence = t.fence${isUnheard}
   ORDER BY t.id FOR UPDATE OF t) held`
}

const sendGuards = (query: Query, units: readonly Unit[]): Promise<pg.QueryResult>[] =>
  (['runs', 'tasks'] as const satisfies GuardedTable[]).flatMap((table) => {
    const guards = new Map<string, Guard>()
    for (const unit of units)
      for (const guard of unit.guards ?? []) if (guard.table === table) guards.set(guard.id, guard)
    if (guards.size === 0) return []
    const all = [...guards.values()]
    return [
      query(assertQuery(table), [
        [...guards.keys()],
        all.map(({ fence }) => fence),
        all.map(({ news }) => news ?? null),
      ]),
    ]
  })

/** Two units that expect different things of one row: one of them may be stale. */
const disagree = (units: readonly Unit[]): boolean => {
  const known = new Map<string, Guard>()
  return units.some(({ guards = [] }) =>
    guards.some((guard) => {
      const other = known.get(guard.id) ?? guard
      known.set(guard.id, guard)
      return other.fence !== guard.fence || other.news !== guard.news
    }),
  )
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

export const makeWriteGroup = (pool: pg.Pool, nameOf: (text: string) => string | undefined): WriteGroup => {
  const withClient = async <T>(work: (client: pg.PoolClient, query: Query) => Promise<T>): Promise<T> => {
    const client = await pool.connect()
    let broken: Error | undefined
    try {
      return await work(client, queryWith(client, nameOf))
    } catch (error) {
      await client.query('ROLLBACK').catch((rollbackError: Error) => {
        broken = rollbackError
      })
      throw error
    } finally {
      client.release(broken)
    }
  }

  const answer = (
    units: readonly Unit[],
    refused: readonly (Error | undefined)[],
    ids: readonly number[],
  ): UnitResult[] => {
    let next = 0
    return units.map((unit, i) => {
      if (refused[i]) return refused[i]
      const count = unit.events?.length ?? 0
      next += count
      return { eventIds: ids.slice(next - count, next) }
    })
  }

  /** One message for all; undefined when a guard is stale, and nothing is written. */
  const writeAtOnce = (units: readonly Unit[]): Promise<UnitResult[] | undefined> =>
    withClient(async (client, query) => {
      const before = [client.query('BEGIN'), ...sendGuards(query, units)]
      return answer(units, [], await sendAndCommit(client, query, units, before))
    }).catch((error: { code?: unknown }) => {
      if (error.code === STALE_MARK) return undefined
      throw error
    })

  /** Step by step: those with a stale guard are left out. */
  const writeFresh = (units: readonly Unit[]): Promise<UnitResult[]> =>
    withClient(async (client, query) => {
      await client.query('BEGIN')
      const refused = await checkGuards(query, units)
      const accepted = units.filter((_, i) => !refused[i])
      return answer(units, refused, await sendAndCommit(client, query, accepted))
    })

  const writeTogether = async (units: readonly Unit[]): Promise<UnitResult[]> => {
    for (let tries = 1; ; tries++) {
      try {
        return (disagree(units) ? undefined : await writeAtOnce(units)) ?? (await writeFresh(units))
      } catch (error) {
        // Another process locked the same rows in another order: one of the two goes again.
        if (!isDeadlock(error) || tries === DEADLOCK_TRIES) throw error
      }
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
