/** Reads the event log: timelines of runs and tasks, and a tenant's feed. */
import type { Database } from '../db/database.ts'
import type { Json } from '../json.ts'
import { type Scope, visibleTo } from '../scope.ts'
import type { Event } from './event.ts'
import { settle } from './settled.ts'

export type EventTables = {
  events: {
    id: number
    tenant_id: string
    project_id: string | null
    run_id: string | null
    task_id: string | null
    type: string
    data: string
    at: number
  }
}

export interface EventQuery {
  readonly tenantId: string
  /** Only what this project sees; everything of the tenant if left out. */
  readonly projectId?: Scope['projectId']
  readonly runId?: string
  readonly taskId?: string
  readonly afterId: number
  readonly limit: number
}

/**
 * An event that is older than this has none before it that could still appear: no transaction is left open for so long. Ample, since its
 * time is by the clock of the process that wrote it, and of before an outage that its commit has waited out.
 */
const SETTLED_AFTER_MS = 300_000

export interface EventLog {
  /**
   * In the order of their ids, for a reader with a cursor: whoever goes on after the last one misses none. While a long transaction is
   * under way the youngest are held back.
   */
  read(query: EventQuery): Promise<Event[]>
  /** Those there are, for whoever is told of later ones by other means: one whose transaction is under way may yet appear before the last. */
  readNow(query: EventQuery): Promise<Event[]>
  /**
   * Events of all tenants after an id, in the order of their ids, for a reader with a cursor: whoever goes on after the last one
   * misses none, since what could still appear before it is waited for. May give fewer than there are.
   */
  readAll(afterId: number, limit: number): Promise<Event[]>
  /** The id of the newest event of a tenant, 0 where it has none. */
  newestOf(tenantId: string): Promise<number>
  /** The id up to which `readAll` would come now; undefined when a long transaction is under way. */
  head(): Promise<number | undefined>
}

export const toEvent = (row: EventTables['events']): Event => ({
  id: row.id,
  tenantId: row.tenant_id,
  projectId: row.project_id,
  runId: row.run_id,
  taskId: row.task_id,
  type: row.type,
  data: JSON.parse(row.data) as Record<string, Json>,
  atMs: row.at,
})

export const makeEventLog = (db: Database, now: () => number = Date.now): EventLog => {
  const events = () => db.primary.withTables<EventTables>().selectFrom('events')
  const after = async (afterId: number, limit: number): Promise<Event[]> =>
    (await events().selectAll().where('id', '>', afterId).orderBy('id').limit(limit).execute()).map(toEvent)
  /** No event up to it can appear any more. */
  let settledId = 0

  const readNow: EventLog['readNow'] = async ({ tenantId, projectId = null, runId, taskId, afterId, limit }) => {
    let query = events().selectAll().where(visibleTo({ tenantId, projectId }))
    if (runId !== undefined) query = query.where('run_id', '=', runId)
    if (taskId !== undefined) query = query.where('task_id', '=', taskId)
    // The index of a lone task's events holds those without a run.
    if (taskId !== undefined && runId === undefined) query = query.where('run_id', 'is', null)
    return (await query.where('id', '>', afterId).orderBy('id').limit(limit).execute()).map(toEvent)
  }

  return {
    readNow,

    async read(query) {
      // Before the look: one who reads at the same time may find more settled than this one has seen.
      const knownId = settledId
      const found = await readNow(query)
      const last = found.at(-1)
      if (db.dialect === 'sqlite' || !last || last.id <= knownId) return found
      if (await settle(db)) {
        settledId = Math.max(settledId, last.id)
        return (await readNow(query)).filter(({ id }) => id <= last.id)
      }
      const heldFrom = found.findIndex(({ id, atMs }) => id > knownId && atMs >= now() - SETTLED_AFTER_MS)
      return heldFrom === -1 ? found : found.slice(0, heldFrom)
    },

    async readAll(afterId, limit) {
      const page = await after(afterId, limit)
      // Where ids are missing, a transaction under way may hold them, or one that was rolled back.
      const gapAt = page.findIndex((event, i) => event.id !== afterId + 1 + i)
      if (gapAt === -1 || db.dialect === 'sqlite') return page
      if (!(await settle(db))) return page.slice(0, gapAt)
      const lastId = (page.at(-1) as Event).id
      return (await after(afterId, limit)).filter((event) => event.id <= lastId)
    },

    async newestOf(tenantId) {
      const newest = events().select('id').where('tenant_id', '=', tenantId).orderBy('id', 'desc').limit(1)
      return (await newest.executeTakeFirst())?.id ?? 0
    },

    async head() {
      const row = await events().select('id').orderBy('id', 'desc').limit(1).executeTakeFirst()
      return (await settle(db)) ? (row?.id ?? 0) : undefined
    },
  }
}
