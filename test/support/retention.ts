/** What the tests of retention share: rows as the domains leave them, and a clock that is turned while a pass waits. */
import { sql } from 'kysely'
import { type FakeClock, makeFakeClock } from '../../src/platform/clock.ts'
import type { Database } from '../../src/platform/db/database.ts'

type Value = string | number | null
type Row = Readonly<Record<string, Value>>

const text = (columns: readonly string[]): Row => Object.fromEntries(columns.map((column) => [column, 'x']))
const zero = (columns: readonly string[]): Row => Object.fromEntries(columns.map((column) => [column, 0]))

/** What each table asks for, where a test does not say. */
const DEFAULTS: Readonly<Record<string, Row>> = {
  runs: {
    ...text(['tenant_id', 'kind', 'target']),
    ...zero(['version', 'priority', 'fence', 'news', 'created_at']),
    ...{ status: 'completed', input: 'null' },
  },
  journal: { ...text(['tenant_id', 'key', 'kind', 'outcome']), ...zero(['position', 'at']) },
  signals: { ...text(['tenant_id', 'name']), ...zero(['created_at']), payload: 'null' },
  tasks: {
    ...text(['tenant_id', 'kind', 'partition_name']),
    ...zero(['priority', 'attempt', 'lost', 'fence', 'run_at', 'created_at']),
    ...{ status: 'completed', input: 'null', options: '{}' },
  },
  dead_letters: { ...text(['tenant_id', 'kind', 'reason']), ...zero(['attempts', 'created_at']), error: 'null' },
  events: { ...text(['tenant_id', 'type']), data: '{}' },
  deliveries: {
    ...text(['tenant_id', 'channel_id', 'cause', 'type', 'message_id', 'message']),
    ...zero(['created_at']),
    status: 'delivered',
  },
  delivery_attempts: { ...text(['tenant_id']), ...zero(['attempt', 'at', 'duration_ms']) },
  inbox: { ...text(['tenant_id', 'channel_id', 'type', 'severity', 'title', 'message']), ...zero(['created_at']) },
  audit_log: text(['tenant_id', 'actor_kind', 'actor_id', 'actor_name', 'action', 'outcome', 'request']),
  usage: { ...text(['tenant_id', 'worker_id']), ...zero(['runs', 'tasks', 'tokens', 'cost', 'storage']) },
  idempotency_keys: { ...text(['tenant_id', 'fingerprint']), ...zero(['claimed_until']) },
  sessions: { ...text(['tenant_id', 'member_id']), ...zero(['created_at']) },
  cursors: {},
}

export const makeRows = (db: Database) => {
  const insert = (table: string, row: Row): Promise<unknown> => {
    const whole = { ...DEFAULTS[table], ...row }
    const columns = sql.join(Object.keys(whole).map((column) => sql.ref(column)))
    return db.transaction((tx) =>
      sql`INSERT INTO ${sql.table(table)} (${columns}) VALUES (${sql.join(Object.values(whole))})`.execute(tx),
    )
  }
  return {
    insert,
    run: async (change: string): Promise<unknown> => db.transaction((tx) => sql.raw(change).execute(tx)),
    /** A run with something in every table that knows of runs; `endedMs` null: it has not ended. */
    async addRun(id: string, endedMs: number | null, parentId: string | null = null, events = 1): Promise<void> {
      const status = endedMs === null ? 'running' : 'completed'
      await insert('runs', { id, status, finished_at: endedMs, parent_run_id: parentId })
      await insert('journal', { run_id: id })
      await insert('signals', { id: `signal-${id}`, run_id: id })
      await insert('tasks', { id: `task-${id}`, run_id: id, finished_at: endedMs })
      for (let i = 0; i < events; i++) await insert('events', { run_id: id, task_id: `task-${id}`, at: 0 })
    },
    /** A task of its own with an event. */
    async addTask(id: string, endedMs: number | null): Promise<void> {
      await insert('tasks', { id, status: endedMs === null ? 'running' : 'completed', finished_at: endedMs })
      await insert('events', { task_id: id, at: 0 })
    },
    /** The values of a column, sorted. */
    async all(table: string, column = 'id'): Promise<string[]> {
      const { rows } = await sql<{ value: Value }>`SELECT ${sql.ref(column)} AS value FROM ${sql.table(table)}`.execute(
        db.primary,
      )
      return rows.map(({ value }) => String(value)).sort()
    },
  }
}

export const DAY_MS = 86_400_000

/** A year after the epoch and more, so that times before it can be told in days. */
export const makeTurnedClock = () => {
  const clock: FakeClock = makeFakeClock()
  return {
    clock,
    daysAgo: (days: number): number => clock.now() - days * DAY_MS,
    /** Turns the clock by little steps until the work is done. */
    async turnUntil<T>(work: Promise<T>): Promise<T> {
      let isDone = false
      const end = work.finally(() => {
        isDone = true
      })
      end.catch(() => {})
      while (!isDone) {
        await new Promise((resolve) => setImmediate(resolve))
        clock.advance(1)
      }
      return end
    },
  }
}
