/** Keeps the copies of dead letters beside the queue, for whoever listens there: told after the commit, set right by the sweep. */
import { makeSweeper } from '../engine/index.ts'
import type { Bus } from '../platform/bus/bus.ts'
import type { Clock } from '../platform/clock.ts'
import type { Log } from '../platform/log.ts'
import type { TaskRepository } from './repository.ts'
import type { DeadLetter } from './types.ts'

export interface DeadLetterCopy {
  readonly id: string
  readonly tenantId: string
  readonly taskId: string
  readonly kind: string
  readonly reason: string
}

/** Where the copies are; it holds the newest of them, and may lose them all. */
export interface DeadLetterCopies {
  add(letters: readonly DeadLetterCopy[]): Promise<void>
  remove(ids: readonly string[]): Promise<void>
  ids(): Promise<string[]>
}

export interface DeadCopiesOptions {
  /** Undefined: there is nobody to listen. */
  readonly copies: DeadLetterCopies | undefined
  readonly tasks: TaskRepository
  readonly bus: Bus
  readonly clock: Clock
  readonly log: Log
}

const COPIES_MAX = 5000
const LOOK_EVERY_MS = 30_000

export const makeDeadCopies = ({ copies, tasks, bus, clock, log }: DeadCopiesOptions) => {
  const report = (error: unknown): void =>
    log.warn({ err: error }, 'copies of dead letters were not kept; the sweep adds them')
  const copyOf = ({ id, tenantId, taskId, kind, reason, error }: DeadLetter): DeadLetterCopy => ({
    ...{ id, tenantId, taskId, kind },
    reason: `${reason}: ${error.message}`,
  })
  return {
    died: (letter: DeadLetter): void => void copies?.add([copyOf(letter)]).catch(report),
    resolved: (id: string): void => void copies?.remove([id]).catch(report),
    sweeper: makeSweeper({
      name: 'dead-letters',
      ...{ bus, clock, slowMs: LOOK_EVERY_MS },
      nextAt: async () => undefined,
      onError: report,
      async sweep() {
        if (!copies) return
        // The copies first: each that is found has its letter in the database, unless that is resolved.
        const known = new Set(await copies.ids())
        const wanted = new Set(await tasks.newestDeadIds(COPIES_MAX))
        const over = [...known].filter((id) => !wanted.has(id))
        if (over.length > 0) await copies.remove(over)
        if ([...wanted].every((id) => known.has(id))) return
        const missing = (await tasks.newestDead(COPIES_MAX)).filter(({ id }) => !known.has(id))
        // In the order in which they died: the oldest are the first to go when there are too many.
        await copies.add(missing.toReversed().map(copyOf))
      },
    }),
  }
}
