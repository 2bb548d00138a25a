/** Reads of runs, journals and signals. */
import { compileOnce, VALUE } from '../platform/db/compiled.ts'
import { countRows, countRowsAmong } from '../platform/db/count.ts'
import type { Handle } from '../platform/db/database.ts'
import { olderThan } from '../platform/db/keyset.ts'
import { readBacklogRows } from '../platform/queue/backlog-rows.ts'
import type { Partition } from '../platform/queue/queue.ts'
import { ifVisible, type Owner, tenantOf, visibleTo } from '../platform/scope.ts'
import { type EngineTables, type SignalRow, toJournalEntry, toRun } from './rows.ts'
import { type JournalEntry, OPEN_RUN_STATUSES, type Run, type RunKind, type RunStatus } from './types.ts'

export interface RunFilter {
  readonly status?: RunStatus
  readonly kind?: RunKind
  readonly target?: string
  readonly parentRunId?: string
  /** Keyset: rows older than this one. */
  readonly before?: { readonly createdAtMs: number; readonly id: string }
  readonly limit: number
}

const STOPPED_AT_ONCE = 500

export const makeRunRepository = (handle: Handle) => {
  const db = handle.withTables<EngineTables>()
  const runs = () => db.selectFrom('runs').selectAll()
  const readById = compileOnce(handle, () => runs().where('id', '=', VALUE))
  const readInTenant = compileOnce(handle, () => runs().where('tenant_id', '=', VALUE).where('id', '=', VALUE))
  const readByKey = compileOnce(handle, () =>
    runs().where('tenant_id', '=', VALUE).where('idempotency_key', '=', VALUE),
  )
  return {
    /** For the engine itself, which has the id from a row of its own. */
    async byId(id: string): Promise<Run | undefined> {
      const [row] = await readById(id)
      return row && toRun(row)
    },

    async find(owner: Owner, id: string): Promise<Run | undefined> {
      const [row] = await readInTenant(tenantOf(owner), id)
      return row && ifVisible(owner, toRun(row))
    },

    async findByIdempotencyKey(tenantId: string, key: string): Promise<Run | undefined> {
      const [row] = await readByKey(tenantId, key)
      return row && toRun(row)
    },

    /** Newest first. */
    async list(owner: Owner, filter: RunFilter): Promise<Run[]> {
      let query = runs().where(visibleTo(owner))
      if (filter.status) query = query.where('status', '=', filter.status)
      if (filter.kind) query = query.where('kind', '=', filter.kind)
      if (filter.target) query = query.where('target', '=', filter.target)
      if (filter.parentRunId) query = query.where('parent_run_id', '=', filter.parentRunId)
      if (filter.before) query = query.where(olderThan(filter.before))
      const rows = await query.orderBy('created_at', 'desc').orderBy('id', 'desc').limit(filter.limit).execute()
      return rows.map(toRun)
    },

    async journal(runId: string): Promise<JournalEntry[]> {
      const rows = await db.selectFrom('journal').selectAll().where('run_id', '=', runId).orderBy('position').execute()
      return rows.map(toJournalEntry)
    },

    /** A part of the journal, which can be long: what follows a position. */
    async steps(runId: string, { after = 0, limit }: { after?: number | undefined; limit: number }) {
      const query = db.selectFrom('journal').selectAll().where('run_id', '=', runId).where('position', '>', after)
      return (await query.orderBy('position').limit(limit).execute()).map(toJournalEntry)
    },

    async signals(runId: string): Promise<SignalRow[]> {
      return db.selectFrom('signals').selectAll().where('run_id', '=', runId).orderBy('id').execute()
    },

    async children(runId: string): Promise<Run[]> {
      return (await runs().where('parent_run_id', '=', runId).execute()).map(toRun)
    },

    /** What it takes to know whether a run that lives somewhere has heard all: its owner's number and how much was left for it. */
    async newsOf(
      ids: readonly string[],
    ): Promise<{ id: string; fence: number; news: number; cancelRequested: boolean }[]> {
      if (ids.length === 0) return []
      const query = db.selectFrom('runs').select(['id', 'fence', 'news', 'cancel_requested_at']).where('id', 'in', ids)
      return (await query.execute()).map((row) => ({
        ...{ id: row.id, fence: row.fence, news: row.news, cancelRequested: row.cancel_requested_at !== null },
      }))
    },

    async byIds(ids: readonly string[]): Promise<Run[]> {
      return ids.length === 0 ? [] : (await runs().where('id', 'in', ids).execute()).map(toRun)
    },

    /** The runs of a kind that want an owner, as jobs of its partition. */
    backlog: (kind: RunKind, partition: Partition) =>
      readBacklogRows(handle, {
        ...{ table: 'runs', where: { column: 'kind', value: kind }, partition, since: 'created_at' },
      }),

    /** Runs of those workflows that stopped because their code was not loaded where they were to go on; not all at once. */
    async stoppedForCode(workflows: readonly { workflow: string; version: number }[]): Promise<Run[]> {
      if (workflows.length === 0) return []
      const rows = await runs()
        .where('status', '=', 'stopped')
        .where('kind', '=', 'workflow')
        .where((is) => is.or(workflows.map(({ workflow: target, version }) => is.and({ target, version }))))
        .where('error', 'like', '%"program_not_loaded"%')
        .limit(STOPPED_AT_ONCE)
        .execute()
      return rows.map(toRun)
    },

    /** Runs whose moment has come. A process that holds one wakes it by itself: such a run counts when it is late by `heldGraceMs`. */
    async due(nowMs: number, heldGraceMs: number, limit: number): Promise<Run[]> {
      const rows = await runs()
        .where('wake_at', '<=', nowMs)
        .where((is) => is.or([is('worker_id', 'is', null), is('wake_at', '<=', nowMs - heldGraceMs)]))
        .where('status', 'in', ['running', 'waiting'])
        .orderBy('wake_at')
        .limit(limit)
        .execute()
      return rows.map(toRun)
    },

    /** When the next of those that nobody holds has its moment. */
    async nextWakeAt(afterMs: number): Promise<number | undefined> {
      const row = await db
        .selectFrom('runs')
        .select('wake_at')
        .where('wake_at', '>', afterMs)
        .where('worker_id', 'is', null)
        .where('status', 'in', ['running', 'waiting'])
        .orderBy('wake_at')
        .limit(1)
        .executeTakeFirst()
      return row?.wake_at ?? undefined
    },

    /** Runs that a worker still holds and that had work under way. */
    async heldBy(workerIds: readonly string[]): Promise<Run[]> {
      if (workerIds.length === 0) return []
      const rows = await runs()
        .where('worker_id', 'in', workerIds)
        .where('status', 'in', ['running', 'waiting'])
        .execute()
      return rows.map(toRun)
    },

    /** Ids of the runs at work that a process holds. */
    async workingOf(workerId: string): Promise<string[]> {
      const query = db.selectFrom('runs').select('id').where('worker_id', '=', workerId).where('status', '=', 'running')
      return (await query.execute()).map((row) => row.id)
    },

    async countQueued(kind: RunKind, owner?: Owner): Promise<number> {
      let query = db.selectFrom('runs').where('status', '=', 'queued').where('kind', '=', kind)
      if (owner !== undefined) query = query.where(visibleTo(owner))
      return countRows(query)
    },

    /** Those that are not over: the others grow without end. */
    countOpen: (): Promise<Record<string, number>> =>
      countRowsAmong(db.selectFrom('runs'), 'status', OPEN_RUN_STATUSES),
  }
}

export type RunRepository = ReturnType<typeof makeRunRepository>
