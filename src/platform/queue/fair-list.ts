/**
 * Waiting jobs in the order in which they are to be done: first those that were moved to the front, then by priority, then one of
 * each tenant in turn, each tenant's oldest first.
 */
import type { Job } from './queue.ts'

export interface FairList {
  readonly size: number
  push(job: Job, nowMs: number): void
  shift(): Job | undefined
  /** The first of a tenant that is so, without what was moved to the front: that is next anyway. The others keep their places. */
  shiftOf(isSo: (tenantId: string) => boolean): Job | undefined
  delete(id: string): boolean
  has(id: string): boolean
  /** Moves to the front at most `limit` jobs pushed before that time, oldest first; returns how many. */
  moveToFront(pushedBeforeMs: number, limit: number): number
}

/** A tenant's jobs of one priority. Insertion order is age; a Map so that any job can leave in constant time. */
type Lane = Map<string, Job>

export const makeFairList = (): FairList => {
  // Per priority the tenants in turn: a Map keeps them in order, and the one just served goes to its end.
  const lanes = new Map<number, Map<string, Lane>>()
  // In the order in which they came, so the oldest are found first.
  const known = new Map<string, { readonly job: Job; readonly pushedMs: number }>()
  const front = new Map<string, Job>()

  const removeFrom = (job: Job): void => {
    const tenants = lanes.get(job.priority)
    const lane = tenants?.get(job.tenantId)
    lane?.delete(job.id)
    if (lane?.size === 0) tenants?.delete(job.tenantId)
    known.delete(job.id)
  }

  const shiftFront = (): Job | undefined => {
    const job = front.values().next().value
    if (job) front.delete(job.id)
    return job
  }

  return {
    get size() {
      return known.size + front.size
    },
    has: (id) => known.has(id) || front.has(id),
    push(job, nowMs) {
      const tenants = lanes.get(job.priority) ?? new Map<string, Lane>()
      lanes.set(job.priority, tenants)
      const lane = tenants.get(job.tenantId) ?? new Map<string, Job>()
      tenants.set(job.tenantId, lane)
      lane.set(job.id, job)
      known.set(job.id, { job, pushedMs: nowMs })
    },
    shift() {
      const aged = shiftFront()
      if (aged) return aged
      for (const priority of [1, 2, 3, 4]) {
        const tenants = lanes.get(priority)
        const first = tenants?.entries().next().value
        if (!tenants || !first) continue
        const [tenantId, lane] = first
        const job = lane.values().next().value as Job
        removeFrom(job)
        if (tenants.delete(tenantId)) tenants.set(tenantId, lane)
        return job
      }
      return undefined
    },
    shiftOf(isSo) {
      for (const priority of [1, 2, 3, 4]) {
        for (const [tenantId, lane] of lanes.get(priority) ?? []) {
          if (!isSo(tenantId)) continue
          const job = lane.values().next().value as Job
          removeFrom(job)
          return job
        }
      }
      return undefined
    },
    delete(id) {
      const entry = known.get(id)
      if (entry) removeFrom(entry.job)
      return front.delete(id) || entry !== undefined
    },
    moveToFront(pushedBeforeMs, limit) {
      let moved = 0
      for (const { job, pushedMs } of known.values()) {
        if (moved === limit || pushedMs >= pushedBeforeMs) break
        removeFrom(job)
        front.set(job.id, job)
        moved++
      }
      return moved
    },
  }
}
