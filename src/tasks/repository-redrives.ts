/** Reads and writes of redrives: many dead letters started again, at a rate and through restarts. */
import { countRows } from '../platform/db/count.ts'
import type { Handle } from '../platform/db/database.ts'
import { type Owner, visibleTo } from '../platform/scope.ts'
import type { Redrive, RedriveStatus } from './types.ts'

type Tables = {
  redrives: {
    id: string
    tenant_id: string
    project_id: string | null
    status: string
    kind: string | null
    reason: string | null
    rate: number | null
    until_at: number
    position: string | null
    done: number
    skipped: number
    next_at: number
    created_at: number
    finished_at: number | null
  }
}

const toRedrive = (row: Tables['redrives']): Redrive => ({
  id: row.id,
  tenantId: row.tenant_id,
  projectId: row.project_id,
  status: row.status as RedriveStatus,
  kind: row.kind,
  reason: row.reason as Redrive['reason'],
  ratePerSecond: row.rate,
  untilMs: row.until_at,
  position: row.position,
  done: row.done,
  skipped: row.skipped,
  nextMs: row.next_at,
  createdAtMs: row.created_at,
  finishedAtMs: row.finished_at,
})

export const makeRedriveRepository = (handle: Handle) => {
  const db = handle.withTables<Tables>()
  const running = () => db.selectFrom('redrives').where('status', '=', 'running')
  return {
    async add(redrive: Redrive): Promise<void> {
      const { id, tenantId, projectId, status, kind, reason, position, done, skipped } = redrive
      await db
        .insertInto('redrives')
        .values({
          ...{ id, tenant_id: tenantId, project_id: projectId, status, kind, reason, position, done, skipped },
          rate: redrive.ratePerSecond,
          until_at: redrive.untilMs,
          next_at: redrive.nextMs,
          created_at: redrive.createdAtMs,
          finished_at: redrive.finishedAtMs,
        })
        .execute()
    },
    async find(owner: Owner, id: string): Promise<Redrive | undefined> {
      const query = db.selectFrom('redrives').selectAll().where(visibleTo(owner)).where('id', '=', id)
      const row = await query.executeTakeFirst()
      return row && toRedrive(row)
    },
    /** Newest first. */
    async list(owner: Owner, before: string | undefined, limit: number): Promise<Redrive[]> {
      let query = db.selectFrom('redrives').selectAll().where(visibleTo(owner))
      if (before) query = query.where('id', '<', before)
      return (await query.orderBy('id', 'desc').limit(limit).execute()).map(toRedrive)
    },
    countRunning: (tenantId: string): Promise<number> => countRows(running().where('tenant_id', '=', tenantId)),
    async due(nowMs: number, limit: number): Promise<Redrive[]> {
      const query = running().selectAll().where('next_at', '<=', nowMs).orderBy('next_at')
      return (await query.limit(limit).execute()).map(toRedrive)
    },
    async nextAt(afterMs: number): Promise<number | undefined> {
      const query = running().select('next_at').where('next_at', '>', afterMs).orderBy('next_at').limit(1)
      return (await query.executeTakeFirst())?.next_at
    },
    /** Counts what a step did, always: a step may end after a cancellation, or beside one of another process. */
    async count(id: string, done: number, skipped: number): Promise<void> {
      await db
        .updateTable('redrives')
        .set(({ eb }) => ({ done: eb('done', '+', done), skipped: eb('skipped', '+', skipped) }))
        .where('id', '=', id)
        .execute()
    },
    /** Writes how far it is, unless it was ended or went on meanwhile. */
    async advance({ id, status, position, nextMs, finishedAtMs }: Redrive, from: Redrive): Promise<void> {
      await db
        .updateTable('redrives')
        .set({ status, position, next_at: nextMs, finished_at: finishedAtMs })
        .where('id', '=', id)
        .where('status', '=', 'running')
        .where('position', from.position === null ? 'is' : '=', from.position)
        .execute()
    },
    /** False: it has ended already. */
    async cancel(tenantId: string, id: string, nowMs: number): Promise<boolean> {
      const result = await db
        .updateTable('redrives')
        .set({ status: 'cancelled', finished_at: nowMs })
        .where('tenant_id', '=', tenantId)
        .where('id', '=', id)
        .where('status', '=', 'running')
        .executeTakeFirst()
      return Number(result.numUpdatedRows) > 0
    },
  }
}
