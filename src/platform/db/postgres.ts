/** The database on PostgreSQL: a tuned pool with named statements, and the group commit as many-row statements. */
import { setImmediate as immediate, setTimeout as wait } from 'node:timers/promises'
import { Kysely, PostgresDialect, type PostgresPool } from 'kysely'
import pg from 'pg'
import type { EventHub } from '../events/hub.ts'
import type { Database } from './database.ts'
import { noAnswer } from './errors.ts'
import { makeGroupCommit } from './group-commit.ts'
import { makeStatementNames, makeWriteGroup, queryWith } from './postgres-group.ts'
import { type PostgresPlace, probePostgres } from './postgres-probe.ts'
import { publishing } from './transaction.ts'

export interface PostgresOptions extends PostgresPlace {
  readonly poolMin: number
  readonly poolMax: number
  readonly hub: EventHub
  /** Told once of each connection that breaks; whoever uses it at the time hears of it by himself. */
  readonly onError: (error: Error) => void
  /** When the server gives a statement up; 55 s where it is not given, 0 for never. */
  readonly statementTimeoutMs?: number
}

const INT8 = 20
const STATEMENT_TIMEOUT_MS = 55_000
/** The server gives a statement up this long before its client does: the connection stays of use. */
const CLIENT_WAITS_LONGER_MS = 5000
const PING_MS = 5000
const SESSION_SETTINGS = {
  // Plans of named statements are made once per connection, often while a table is still empty, when reading all of it is cheapest;
  // that is kept for hours. Every hot statement has its index: a scan of the whole table is only for what has none.
  enable_seqscan: 'off',
  jit: 'off',
  // A process that is frozen, or whose machine is gone, in the middle of a transaction must not keep its locks.
  idle_in_transaction_session_timeout: "'15s'",
  tcp_keepalives_idle: 30,
  tcp_keepalives_interval: 10,
  tcp_keepalives_count: 3,
}

const sessionSettings = (statementTimeoutMs: number): string =>
  Object.entries({ ...SESSION_SETTINGS, statement_timeout: statementTimeoutMs })
    .map(([name, value]) => `SET ${name} = ${value}`)
    .join('; ')

const makePool = (options: PostgresOptions): pg.Pool => {
  const { statementTimeoutMs = STATEMENT_TIMEOUT_MS } = options
  const settings = sessionSettings(statementTimeoutMs)
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
    query_timeout: statementTimeoutMs && statementTimeoutMs + CLIENT_WAITS_LONGER_MS,
    // What a transaction has to say travels together: one round trip instead of one per statement.
    pipeline: true,
    // Times and counts are below 2^53: plain numbers.
    types: {
      getTypeParser: (oid: number, format?: 'text' | 'binary') =>
        oid === INT8 ? Number : pg.types.getTypeParser(oid, format as 'text'),
    } as pg.CustomTypesConfig,
  })
  // Of idle connections alone, and their own listener below has told it: once is enough.
  pool.on('error', () => {})
  // While a connection is lent out the pool does not listen, and an error without a listener ends the process.
  pool.on('connect', (client) => {
    let isBroken = false
    const broke = (error: Error): void => {
      if (!isBroken) options.onError(error)
      isBroken = true
    }
    client.on('error', broke)
    client.query(settings).catch(broke)
  })
  return pool
}

const makeKysely = (pool: pg.Pool, nameOf: ReturnType<typeof makeStatementNames>): Kysely<unknown> => {
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
  return new Kysely<unknown>({ dialect: new PostgresDialect({ pool: kyselyPool }) })
}

export const openPostgresDatabase = (options: PostgresOptions): Database => {
  const pool = makePool(options)
  const nameOf = makeStatementNames()
  const kysely = makeKysely(pool, nameOf)
  const group = makeGroupCommit({
    writeGroup: makeWriteGroup(pool, nameOf),
    publish: (events) => options.hub.publish(events),
  })
  return {
    dialect: 'postgres',
    isExclusive: false,
    primary: kysely,
    commit: group.commit,
    announce: (events) => options.hub.publish(events),
    commitStats: group.stats,
    transaction: (work) => publishing(kysely, options.hub, work),
    async longTransaction(work) {
      const alone = makePool({ ...options, poolMin: 0, poolMax: 1, statementTimeoutMs: 0 })
      const patient = makeKysely(alone, nameOf)
      try {
        return await publishing(patient, options.hub, work)
      } finally {
        await patient.destroy()
      }
    },
    async ping() {
      const answered = new AbortController()
      const tooLate = async (): Promise<never> => {
        await wait(PING_MS, undefined, { signal: answered.signal, ref: false })
        // To a process that stood still itself the answer may have come long ago: it is read before this goes on.
        await immediate()
        throw noAnswer(PING_MS)
      }
      try {
        await Promise.race([pool.query('SELECT 1'), tooLate()])
      } catch (error) {
        // All connections may be lent out to what takes its time: one more says whether the server is there.
        if (pool.waitingCount === 0) throw error
        await probePostgres(options, undefined, PING_MS)
      } finally {
        answered.abort()
      }
    },
    async stop() {
      await group.drain()
      await kysely.destroy()
    },
  }
}
