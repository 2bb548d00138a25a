/** The events of schedules, each written in the transaction of its change. */
import type { Handle } from '../platform/db/database.ts'
import type { EventData } from '../platform/events/event.ts'
import { writeEvent } from '../platform/events/write.ts'
import type { Schedule } from './types.ts'

export type ScheduleEventType =
  | 'schedule.created'
  | 'schedule.updated'
  | 'schedule.paused'
  | 'schedule.resumed'
  | 'schedule.ended'
  | 'schedule.deleted'
  | 'schedule.fired'
  | 'schedule.late'
  | 'schedule.not_started'
  | 'schedule.skipped'
  | 'schedule.failing'

export const tell = (
  tx: Handle,
  type: ScheduleEventType,
  schedule: Pick<Schedule, 'id' | 'tenantId' | 'projectId' | 'name'>,
  atMs: number,
  data: EventData = {},
): Promise<void> =>
  writeEvent(tx, {
    tenantId: schedule.tenantId,
    projectId: schedule.projectId,
    type,
    data: { scheduleId: schedule.id, schedule: schedule.name, ...data },
    atMs,
  })
