/** Schedules: what the app may use. */

export { makeScheduleRoutes } from './routes.ts'
export { makeScheduleService } from './service.ts'
export { makeEngineTargets, type Targets } from './targets.ts'
