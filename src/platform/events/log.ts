/** Reads the event log: timelines of runs and tasks, and a tenant's feed. */
import type { Database } from '../db/database.ts'
import type { Json } from '../json.ts'
import type { Event } from './event.ts'

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
  readonly runId?: string
  readonly taskId?: string
  readonly afterId: number
  readonly limit: number
}

export interface EventLog {
  /** In the order of their ids. */
  read(query: EventQuery): Promise<Event[]>
}

const toEvent = (row: EventTables['events']): Event => ({
  id: row.id,
  tenantId: row.tenant_id,
  projectId: row.project_id,
  runId: row.run_id,
  taskId: row.task_id,
  type: row.type,
  data: JSON.parse(row.data) as Record<string, Json>,
  atMs: row.at,
})

export const makeEventLog = (db: Database): EventLog => ({
  async read({ tenantId, runId, taskId, afterId, limit }) {
    let query = db.primary.withTables<EventTables>().selectFrom('events').selectAll().where('tenant_id', '=', tenantId)
    if (runId !== undefined) query = query.where('run_id', '=', runId)
    if (taskId !== undefined) query = query.where('task_id', '=', taskId)
    // The index of a lone task's events holds those without a run.
    if (taskId !== undefined && runId === undefined) query = query.where('run_id', 'is', null)
    return (await query.where('id', '>', afterId).orderBy('id').limit(limit).execute()).map(toEvent)
  },
})
