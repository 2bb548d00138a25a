/**
 * Finds and removes what has ended: a page of candidates by an index, then those of it that may go, with all that belongs to them. Rows
 * of all tenants: their age is all that counts. A removal asks again whether a row is still due, since it may have been started anew
 * between the look and the removal.
 */
import { type RawBuilder, sql } from 'kysely'
import type { Handle } from '../platform/db/database.ts'
import type { RetentionTables } from './schema.ts'
import type { Bounds, Page, Place } from './types.ts'

/** Rows with a time after which they may go; each has an index on that time under that condition. */
interface Source {
  readonly table: keyof RetentionTables
  readonly time: string
  readonly only?: RawBuilder<boolean>
}

export const SOURCES = {
  runs: { table: 'runs', time: 'finished_at', only: sql<boolean>`parent_run_id IS NULL` },
  tasks: { table: 'tasks', time: 'finished_at', only: sql<boolean>`run_id IS NULL` },
  deliveries: { table: 'deliveries', time: 'finished_at' },
  inbox: { table: 'inbox', time: 'created_at' },
  audit: { table: 'audit_log', time: 'created_at' },
  events: { table: 'events', time: 'at', only: sql<boolean>`run_id IS NULL AND task_id IS NULL` },
  answers: { table: 'idempotency_keys', time: 'expires_at' },
  sessions: { table: 'sessions', time: 'expires_at' },
} as const satisfies Record<string, Source>

export type Dated = keyof typeof SOURCES

export const makeRetentionRepository = (handle: Handle) => {
  const db = handle.withTables<RetentionTables>()

  const removeIn = async (
    table: 'delivery_attempts' | 'dead_letters',
    column: 'delivery_id' | 'task_id',
    ids: readonly string[],
  ): Promise<void> => {
    await sql`DELETE FROM ${sql.table(table)} WHERE ${sql.ref(column)} IN (${sql.join(ids)})`.execute(db)
  }

  return {
    /** The last event that all of these readers have read; no limit where none of them has begun. */
    async readUpTo(readers: readonly string[]): Promise<number> {
      if (readers.length === 0) return Number.MAX_SAFE_INTEGER
      const rows = await db.selectFrom('cursors').select('position').where('name', 'in', readers).execute()
      return Math.min(Number.MAX_SAFE_INTEGER, ...rows.map(({ position }) => position))
    },

    /** The oldest rows that are due, after a place. */
    async due(kind: Dated, untilMs: number, after: Place | undefined, limit: number): Promise<Page<string | number>> {
      const { table, time, only = sql`TRUE` }: Source = SOURCES[kind]
      const at = sql.ref(time)
      const beyond = after ? sql`(${at}, id) > (${after.atMs}, ${after.id})` : sql`TRUE`
      const { rows } = await sql<{ id: string | number; at: number }>`
        SELECT id, ${at} AS at FROM ${sql.table(table)}
        WHERE ${only} AND ${at} <= ${untilMs} AND ${beyond} ORDER BY ${at}, id LIMIT ${limit}`.execute(db)
      const last = rows.at(-1)
      const next = last && rows.length === limit ? { atMs: last.at, id: last.id } : undefined
      return { ids: rows.map(({ id }) => id), next }
    },

    /** What nothing else belongs to. Says how many went. */
    async remove(
      kind: 'inbox' | 'events' | 'answers' | 'sessions',
      ids: readonly (string | number)[],
      { untilMs, readUpTo }: Bounds,
    ): Promise<number> {
      const { table, time }: Source = SOURCES[kind]
      const isRead = kind === 'events' ? sql`id <= ${readUpTo}` : sql`TRUE`
      const { numAffectedRows } = await sql`
        DELETE FROM ${sql.table(table)}
        WHERE id IN (${sql.join(ids)}) AND ${sql.ref(time)} <= ${untilMs} AND ${isRead}`.execute(db)
      return Number(numAffectedRows ?? 0)
    },

    /** Entries of the audit log: the database lets them go because the same transaction says up to when. */
    async removeAudit(ids: readonly string[], { untilMs }: Bounds): Promise<number> {
      await db.insertInto('audit_removal').values({ until_at: untilMs }).execute()
      const remove = db.deleteFrom('audit_log').where('id', 'in', ids).where('created_at', '<=', untilMs)
      const { numDeletedRows } = await remove.executeTakeFirst()
      await db.deleteFrom('audit_removal').execute()
      return Number(numDeletedRows)
    },

    /** Tasks without a run, with their events and dead letters. One stays while its letter is open, and until its events are read. */
    async removeTasks(ids: readonly string[], { untilMs, readUpTo }: Bounds): Promise<number> {
      const letters = db
        .selectFrom('dead_letters')
        .select('task_id')
        .where('task_id', 'in', ids)
        .where((eb) => eb.or([eb('status', '=', 'dead'), eb('resolved_at', '>', untilMs)]))
      const unread = db
        .selectFrom('events')
        .select('task_id')
        .where('run_id', 'is', null)
        .where('task_id', 'in', ids)
        .where('id', '>', readUpTo)
      const kept = new Set([...(await letters.execute()), ...(await unread.execute())].map((row) => row.task_id))
      const free = ids.filter((id) => !kept.has(id))
      if (free.length === 0) return 0
      const rows = await db
        .deleteFrom('tasks')
        .where('id', 'in', free)
        .where('finished_at', '<=', untilMs)
        .returning('id')
        .execute()
      const gone = rows.map(({ id }) => id)
      if (gone.length === 0) return 0
      await removeIn('dead_letters', 'task_id', gone)
      await db.deleteFrom('events').where('run_id', 'is', null).where('task_id', 'in', gone).execute()
      return gone.length
    },

    /** With their attempts. One whose task is an open dead letter stays, since to redrive that is to deliver it; so does one under way again. */
    async removeDeliveries(ids: readonly string[], { untilMs }: Bounds): Promise<number> {
      const open = db
        .selectFrom('dead_letters')
        .select('task_id')
        .where('status', '=', 'dead')
        .where(sql<boolean>`dead_letters.task_id = deliveries.task_id`)
      const underWay = db
        .selectFrom('tasks')
        .select('id')
        .where('finished_at', 'is', null)
        .where(sql<boolean>`tasks.id = deliveries.task_id`)
      const rows = await db
        .deleteFrom('deliveries')
        .where('id', 'in', ids)
        .where('finished_at', '<=', untilMs)
        .where(({ not, exists }) => not(exists(open)))
        .where(({ not, exists }) => not(exists(underWay)))
        .returning('id')
        .execute()
      const gone = rows.map(({ id }) => id)
      if (gone.length > 0) await removeIn('delivery_attempts', 'delivery_id', gone)
      return gone.length
    },

    /** Usage of before that day, a part of the oldest day at a time; 0 when there is none left. */
    async removeUsage(beforeDay: number, limit: number): Promise<number> {
      const oldest = db.selectFrom('usage').select('day').where('day', '<', beforeDay).orderBy('day').limit(1)
      const day = (await oldest.executeTakeFirst())?.day
      if (day === undefined) return 0
      const rows = await db.selectFrom('usage').select('tenant_id').where('day', '=', day).limit(limit).execute()
      const tenantIds = [...new Set(rows.map((row) => row.tenant_id))]
      const remove = db.deleteFrom('usage').where('day', '=', day).where('tenant_id', 'in', tenantIds)
      return Number((await remove.executeTakeFirst()).numDeletedRows)
    },
  }
}
