/**
 * Keeps a partition's queue short: work waits `queued` in the database until the window has room, so memory is bounded however
 * long the backlog. With room to spare work goes straight through, without a scan. A tenant with little in the window always gets in.
 */
import type { Job, Partition, Queue } from './queue.ts'

export interface AdmissionOptions {
  readonly queue: Queue
  readonly partition: Partition
  readonly windowSize: number
  /** The first `limit` jobs of the partition's backlog that are not among `inside`, in the order in which they should be done. */
  readBacklog(partition: Partition, limit: number, inside: ReadonlySet<string>): Promise<readonly Job[]>
  readonly onError: (error: unknown) => void
}

export interface Admission {
  /** Takes note of committed work; it reaches the queue now or when there is room. */
  offer(job: Job): void
  /** The job left the window: handled, or removed. */
  left(job: Job): void
  /** Looks at the backlog even if nothing is known to wait: at start, and as a slow safety net. */
  refill(): Promise<void>
}

/** The part of the window that is kept free for each tenant that is not using it. */
const TENANT_SHARE = 0.1

export const makeAdmission = ({ queue, partition, windowSize, readBacklog, onError }: AdmissionOptions): Admission => {
  const inside = new Set<string>()
  const perTenant = new Map<string, number>()
  let backlog = false
  /** Jobs that left while the backlog was being read: what was read of them is old. */
  const leftMeanwhile = new Set<string>()
  let refilling: Promise<void> | undefined

  const enter = (job: Job): void => {
    if (inside.has(job.id)) return
    inside.add(job.id)
    perTenant.set(job.tenantId, (perTenant.get(job.tenantId) ?? 0) + 1)
    queue.add([job]).catch((error: unknown) => {
      // The database still has it as queued: the next refill finds it.
      leave(job)
      backlog = true
      onError(error)
    })
  }

  const leave = (job: Job): void => {
    if (!inside.delete(job.id)) return
    const count = (perTenant.get(job.tenantId) ?? 1) - 1
    if (count > 0) perTenant.set(job.tenantId, count)
    else perTenant.delete(job.tenantId)
  }

  const hasHalfRoom = (): boolean => inside.size <= windowSize / 2

  const readAndEnter = async (): Promise<void> => {
    do {
      const room = windowSize - inside.size
      if (room <= 0) return
      leftMeanwhile.clear()
      const jobs = await readBacklog(partition, room, inside)
      backlog = jobs.length >= room
      for (const job of jobs) if (!leftMeanwhile.has(job.id)) enter(job)
      // Jobs that were handled while they entered have made room already.
    } while (backlog && hasHalfRoom())
  }

  const refill = (): Promise<void> => {
    refilling ??= readAndEnter()
      .catch((error: unknown) => {
        backlog = true
        onError(error)
      })
      .finally(() => {
        refilling = undefined
      })
    return refilling
  }

  return {
    offer(job) {
      const share = Math.max(1, windowSize * TENANT_SHARE)
      const hasRoom = inside.size < windowSize && !backlog
      if (hasRoom || (perTenant.get(job.tenantId) ?? 0) < share) enter(job)
      else backlog = true
    },
    left(job) {
      leave(job)
      if (refilling) leftMeanwhile.add(job.id)
      if (backlog && hasHalfRoom()) void refill()
    },
    refill,
  }
}
