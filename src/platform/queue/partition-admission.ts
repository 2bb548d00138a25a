/** The admission of a domain's partitions: the same queue, window and rules, each partition with its own backlog. */
import type { Clock } from '../clock.ts'
import { type Admission, type Backlog, makeAdmission } from './admission.ts'
import { type BacklogSource, makeFairBacklog } from './fair-backlog.ts'
import type { Job, Partition, Queue } from './queue.ts'
import type { QueueRules } from './rules.ts'
import type { Window } from './window.ts'

export interface PartitionAdmissionOptions<P extends Partition> {
  readonly queue: Queue
  readonly window: Window
  readonly rules: QueueRules
  readonly clock: Clock
  readonly workerId: string
  readonly partitions: readonly P[]
  /** The backlog of a partition in the database. */
  source(partition: P): BacklogSource & Pick<Backlog, 'look'>
  readonly onError: (error: unknown, partition: P) => void
}

export interface PartitionAdmission<P extends Partition> {
  of(partition: P): Admission
  offer(job: Job): void
  /** Looks at all backlogs, and at what has been inside for long. For the sweep. */
  look(): Promise<void>
  /** The queue may have lost jobs just now: the next look doubts all that are inside, not only those that are there for long. */
  doubt(): void
  refill(): Promise<void>
}

/** Jobs that wait in the queue for longer go before all others. */
const AGED_AFTER_MS = 10_000

export const makePartitionAdmission = <P extends Partition>(
  options: PartitionAdmissionOptions<P>,
): PartitionAdmission<P> => {
  const { queue, window, rules, clock, workerId, partitions, source, onError } = options
  const admissions = new Map<Partition, Admission>(
    partitions.map((partition) => {
      const rows = source(partition)
      const read = makeFairBacklog({
        source: rows,
        clock,
        weightOf: rules.weightOf,
        mostOf: (tenantId) => rules.mostOf(partition, tenantId),
        isPaused: (tenantId) => rules.isPaused(partition, tenantId),
      })
      const admission = makeAdmission({
        ...{ queue, window, clock, partition, workerId },
        backlog: { read, look: (ids) => rows.look(ids) },
        entrant: rules.entrant,
        onError: (error) => onError(error, partition),
      })
      return [partition, admission]
    }),
  )
  const all = [...admissions.values()]
  const of = (partition: Partition): Admission => admissions.get(partition) as Admission
  const refill = async (): Promise<void> => void (await Promise.all(all.map((admission) => admission.refill())))

  let isInDoubt = false

  rules.onChange(() => void refill())

  return {
    of,
    offer: (job) => of(job.partition).offer(job),
    refill,
    doubt() {
      isInDoubt = true
    },
    async look() {
      const among = isInDoubt ? 'all' : 'old'
      isInDoubt = false
      await Promise.all(all.map((admission) => admission.heal(among))).catch((error: unknown) => {
        isInDoubt ||= among === 'all'
        throw error
      })
      // Under load one refill follows the other, and that may go on for hours: the sweep, which has other work, does not wait for it.
      void refill()
      await Promise.all(partitions.map((partition) => queue.age(partition, AGED_AFTER_MS)))
    },
  }
}
