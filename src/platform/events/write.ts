/** Writes an event inside an everyday transaction, together with the change that it tells of. */
import type { Handle } from '../db/database.ts'
import type { NewEvent } from './event.ts'
import type { EventTables } from './log.ts'

type NewEventRow = Omit<EventTables['events'], 'id'>

/** Pass the transaction that makes the change. */
export const writeEvent = async (tx: Handle, event: NewEvent): Promise<void> => {
  const row: NewEventRow = {
    tenant_id: event.tenantId,
    project_id: event.projectId,
    run_id: event.runId,
    task_id: event.taskId,
    type: event.type,
    data: JSON.stringify(event.data),
    at: event.atMs,
  }
  await tx.withTables<{ events: NewEventRow }>().insertInto('events').values(row).execute()
}
