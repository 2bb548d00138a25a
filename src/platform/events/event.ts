/** Events: the append-only timeline. Each is written in the transaction of the change it tells of. */
import type { Json } from '../json.ts'

export type EventData = { readonly [key: string]: Json | undefined }

export interface NewEvent {
  readonly tenantId: string
  readonly projectId: string | null
  /** The run it belongs to, also for events of the run's tasks and steps. */
  readonly runId: string | null
  readonly taskId: string | null
  /** `thing.what happened`, e.g. `task.completed`. */
  readonly type: string
  readonly data: EventData
  readonly atMs: number
}

/** Of something that belongs to no run: an agent, a channel, a key. */
export type StandaloneEvent = Omit<NewEvent, 'runId' | 'taskId'>

export interface Event extends NewEvent {
  /** Rises within a run or task in the order of the commits. */
  readonly id: number
}

export const EVENT_COLUMNS = {
  tenant_id: 'text',
  project_id: 'text',
  run_id: 'text',
  task_id: 'text',
  type: 'text',
  data: 'text',
  at: 'bigint',
} as const

export const eventRow = (event: NewEvent): (string | number | null)[] => [
  event.tenantId,
  event.projectId,
  event.runId,
  event.taskId,
  event.type,
  JSON.stringify(event.data),
  event.atMs,
]
