/** Parts of a process as data: how each starts, and how it stops. */
import type { Duties } from '../platform/duties.ts'
import { type Part, partitionsOf } from '../roles.ts'
import type { Foundation, Services } from './services.ts'

export interface RunningPart {
  start(): unknown
  stop(): unknown
}

export const makeParts = (
  { config }: Foundation,
  services: Services,
  duties: Duties,
): Readonly<Record<Part, RunningPart>> => {
  const { engine, tasks, schedules, notifications } = services
  const grace = config.SHUTDOWN_GRACE_MS
  const partitions = partitionsOf(config.AIDOS_ROLES)
  return {
    executor: { start: () => tasks.startExecutor(partitions), stop: () => tasks.stop(grace) },
    runs: { start: () => engine.start(partitions), stop: () => engine.stop(grace) },
    timers: duties,
    notifier: notifications,
    schedules,
    api: { start: () => {}, stop: () => {} },
  }
}
