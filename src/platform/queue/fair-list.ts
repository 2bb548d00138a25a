/** Waiting jobs in the order in which they are to be done: priority first, then one of each tenant in turn, each tenant's oldest first. */
import type { Job } from './queue.ts'

export interface FairList {
  readonly size: number
  push(job: Job): void
  shift(): Job | undefined
  delete(id: string): boolean
  has(id: string): boolean
}

/** A tenant's jobs of one priority. Insertion order is age; a Map so that any job can leave in constant time. */
type Lane = Map<string, Job>

export const makeFairList = (): FairList => {
  // Per priority the tenants in turn: a Map keeps them in order, and the one just served goes to its end.
  const lanes = new Map<number, Map<string, Lane>>()
  const known = new Map<string, Job>()

  const removeFrom = (job: Job): void => {
    const tenants = lanes.get(job.priority)
    const lane = tenants?.get(job.tenantId)
    lane?.delete(job.id)
    if (lane?.size === 0) tenants?.delete(job.tenantId)
    known.delete(job.id)
  }

  return {
    get size() {
      return known.size
    },
    has: (id) => known.has(id),
    push(job) {
      const tenants = lanes.get(job.priority) ?? new Map<string, Lane>()
      lanes.set(job.priority, tenants)
      const lane = tenants.get(job.tenantId) ?? new Map<string, Job>()
      tenants.set(job.tenantId, lane)
      lane.set(job.id, job)
      known.set(job.id, job)
    },
    shift() {
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
    delete(id) {
      const job = known.get(id)
      if (job) removeFrom(job)
      return job !== undefined
    },
  }
}
