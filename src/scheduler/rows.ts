/** Rows of schedules and fires, and what they stand for. */
import type { ErrorRecord } from '../engine/index.ts'
import type { Json } from '../platform/json.ts'
import type { ScheduleTables } from './schema.ts'
import type {
  Fire,
  FireCause,
  FireRequest,
  FireStatus,
  Schedule,
  ScheduleOptions,
  ScheduleStatus,
  Target,
  Timing,
} from './types.ts'

type ScheduleRow = ScheduleTables['schedules']
type FireRow = ScheduleTables['schedule_fires']

const textOrNull = (value: unknown): string | null => (value === null ? null : JSON.stringify(value))

export const toSchedule = (row: ScheduleRow): Schedule => ({
  id: row.id,
  tenantId: row.tenant_id,
  projectId: row.project_id,
  name: row.name,
  status: row.status as ScheduleStatus,
  timing: JSON.parse(row.timing) as Timing,
  target: JSON.parse(row.target) as Target,
  input: JSON.parse(row.input) as Json,
  options: JSON.parse(row.options) as ScheduleOptions,
  nextPlannedMs: row.next_planned_at,
  nextAtMs: row.next_at,
  fires: row.fires,
  failures: row.failures,
  revision: row.revision,
  createdAtMs: row.created_at,
  updatedAtMs: row.updated_at,
})

export const fromSchedule = (schedule: Schedule): ScheduleRow => ({
  id: schedule.id,
  tenant_id: schedule.tenantId,
  project_id: schedule.projectId,
  name: schedule.name,
  status: schedule.status,
  timing: JSON.stringify(schedule.timing),
  target: JSON.stringify(schedule.target),
  input: JSON.stringify(schedule.input),
  options: JSON.stringify(schedule.options),
  next_planned_at: schedule.nextPlannedMs,
  next_at: schedule.nextAtMs,
  fires: schedule.fires,
  failures: schedule.failures,
  revision: schedule.revision,
  created_at: schedule.createdAtMs,
  updated_at: schedule.updatedAtMs,
})

const refOf = (row: FireRow): Fire['ref'] => {
  if (row.run_id !== null) return { kind: 'run', id: row.run_id }
  return row.task_id === null ? null : { kind: 'task', id: row.task_id }
}

export const toFire = (row: FireRow): Fire => ({
  scheduleId: row.schedule_id,
  plannedAtMs: row.planned_at,
  tenantId: row.tenant_id,
  cause: row.cause as FireCause,
  status: row.status as FireStatus,
  reason: row.reason,
  count: row.count,
  untilMs: row.until_at,
  dueAtMs: row.due_at,
  request: row.request === null ? null : (JSON.parse(row.request) as FireRequest),
  wakeAtMs: row.wake_at,
  tries: row.tries,
  startedAtMs: row.started_at,
  finishedAtMs: row.finished_at,
  ref: refOf(row),
  error: row.error === null ? null : (JSON.parse(row.error) as ErrorRecord),
})

export const fromFire = (fire: Fire): FireRow => ({
  schedule_id: fire.scheduleId,
  planned_at: fire.plannedAtMs,
  tenant_id: fire.tenantId,
  cause: fire.cause,
  status: fire.status,
  reason: fire.reason,
  count: fire.count,
  until_at: fire.untilMs,
  due_at: fire.dueAtMs,
  request: textOrNull(fire.request),
  wake_at: fire.wakeAtMs,
  tries: fire.tries,
  started_at: fire.startedAtMs,
  finished_at: fire.finishedAtMs,
  run_id: fire.ref?.kind === 'run' ? fire.ref.id : null,
  task_id: fire.ref?.kind === 'task' ? fire.ref.id : null,
  error: textOrNull(fire.error),
})
