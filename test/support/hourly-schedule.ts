/** What the tests of the service share: an hourly schedule, and time that passes when they say so. */
import { randomUUID } from 'node:crypto'
import { makeFakeClock } from '../../src/platform/clock.ts'
import { makeEventLog } from '../../src/platform/events/log.ts'
import type { NewSchedule } from '../../src/scheduler/definition.ts'
import { makeHandTargets, makeTestSchedules } from '../../src/scheduler/testing.ts'
import type { TestDatabase } from './databases.ts'

export const MIN = 60_000
export const HOUR = 60 * MIN
/** Midnight of the first of January 2026, UTC. */
export const START = Date.UTC(2026, 0, 1)

/** A scheduler of its own tenant, an hourly schedule in it, and time at midnight. Sweeps of one test leave the others' rows alone. */
export const setUpHourly = async (database: TestDatabase, more: Partial<NewSchedule> = {}) => {
  const tenantId = randomUUID()
  const clock = makeFakeClock(START)
  const targets = makeHandTargets()
  const lateness: number[] = []
  const onFired = (fact: { latenessMs: number }) => void lateness.push(fact.latenessMs)
  const gauges = new Map<string, () => number | Promise<number>>()
  const service = makeTestSchedules({ ...database, clock, targets, onFired, gauges })
  const name = 'hourly'
  const request = { name, timing: { every: '1 hour' }, target: { workflow: 'report' }, ...more }
  const schedule = await service.create(tenantId, null, request)
  return {
    tenantId,
    clock,
    targets,
    lateness,
    gauges,
    service,
    request,
    schedule,
    async pass(ms: number) {
      clock.advance(ms)
      await service.sweep()
    },
    plannedStarts: () =>
      targets.started
        .filter(({ tenantId: of }) => of === tenantId)
        .map(({ idempotencyKey }) => (Number(idempotencyKey.split(':')[2]) - START) / HOUR),
    /** `1 completed`: hour and status, oldest first. */
    async history() {
      const fires = await service.fires(tenantId, name, { limit: 500 })
      return fires
        .reverse()
        .map(({ plannedAtMs, status, reason }) =>
          [(plannedAtMs - START) / HOUR, status, reason].filter((part) => part !== null).join(' '),
        )
    },
    find: () => service.find(tenantId, name),
    async events() {
      const events = await makeEventLog(database.db).read({ tenantId, afterId: 0, limit: 500 })
      return events.map(({ type }) => type.replace('schedule.', ''))
    },
    done: () => service.remove(tenantId, name),
  }
}
