/** Which parts each role starts, as data. A process starts the parts of all its roles, in the order of PARTS, and stops them in reverse. */
import type { Role } from './config.ts'
import type { Partition } from './platform/queue/queue.ts'

/** In the order of their start: whoever is asked by another stands before it. */
export const PARTS = ['executor', 'runs', 'timers', 'schedules', 'notifier', 'api'] as const
/**
 * `executor` does tasks. `runs` owns live runs of workflows and agents. `timers` does what one process does for all.
 * `schedules` fires schedules. `notifier` turns events into deliveries. `api` serves it over HTTP; health and figures are served by every process.
 */
export type Part = (typeof PARTS)[number]

const PARTS_OF: Readonly<Record<Role, readonly Part[]>> = {
  gateway: ['api'],
  agents: ['runs'],
  workflows: ['runs'],
  scheduler: ['timers', 'schedules'],
  executor: ['executor'],
  skills: ['executor'],
  notifications: ['executor', 'notifier'],
}

/** Whose jobs each role takes from the queue. */
const PARTITIONS_OF: Readonly<Record<Role, readonly Partition[]>> = {
  gateway: [],
  agents: ['agents'],
  workflows: ['workflow'],
  scheduler: [],
  executor: ['tasks'],
  skills: ['tasks'],
  notifications: ['notifications'],
}

/** The partitions that a process takes jobs of. */
export const partitionsOf = (roles: readonly Role[]): Partition[] => [
  ...new Set(roles.flatMap((role) => PARTITIONS_OF[role])),
]

/** The parts of a process, in the order of their start. */
export const partsOf = (roles: readonly Role[]): Part[] => {
  const wanted = new Set(roles.flatMap((role) => PARTS_OF[role]))
  return PARTS.filter((part) => wanted.has(part))
}
