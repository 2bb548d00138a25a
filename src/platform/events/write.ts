/** Writes an event inside an everyday transaction, together with the change that it tells of. */
import type { Generated } from 'kysely'
import type { Handle } from '../db/database.ts'
import type { Event, StandaloneEvent } from './event.ts'
import type { EventTables } from './log.ts'

type NewEventRow = Omit<EventTables['events'], 'id'>

const written = new WeakMap<object, Event[]>()

/** The events of a transaction, for whoever publishes them after its commit. */
export const eventsWritten = (tx: object): readonly Event[] => written.get(tx) ?? []

/** Pass the transaction that makes the change; the event is published when that has committed. */
export const writeEvent = async (tx: Handle, event: StandaloneEvent): Promise<void> => {
  const row: NewEventRow = {
    tenant_id: event.tenantId,
    project_id: event.projectId,
    run_id: null,
    task_id: null,
    type: event.type,
    data: JSON.stringify(event.data),
    at: event.atMs,
  }
  const events = tx.withTables<EventTables & { events: { id: Generated<number> } }>()
  const { id } = await events.insertInto('events').values(row).returning('id').executeTakeFirstOrThrow()
  written.set(tx, [...eventsWritten(tx), { ...event, runId: null, taskId: null, id }])
}
