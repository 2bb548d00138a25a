/** Schedules: what the app may use. */
export type { DefinitionInput, NewSchedule } from './definition.ts'
export { scheduleErrors } from './errors.ts'
export { makeScheduleRoutes } from './routes.ts'
export { makeScheduleService, type ScheduleService, type ScheduleServiceOptions } from './service.ts'
export { makeEngineTargets, type StartRequest, type TargetState, type Targets } from './targets.ts'
export type { Fire, Schedule, TargetRef } from './types.ts'
