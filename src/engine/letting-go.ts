/** Runs that this process had in memory, or was about to have, and leaves to others: one that waits stays where it is, another is queued. */
import type { Database } from '../platform/db/database.ts'
import { isStaleWrite } from '../platform/db/errors.ts'
import type { LiveRun } from './live-run.ts'
import { releaseRun } from './rows.ts'
import { fenceOf } from './turn.ts'
import type { Run } from './types.ts'

export interface LettingGoOptions {
  readonly db: Database
  requeue(run: Run): Promise<void>
  offer(run: Run): void
  /** A waiting run was let go: its row says when to wake it. */
  onReleased(wakeAtMs: number | null): void
  onError(error: unknown, runId: string): void
}

/** A run that is not carried here any more. */
export type Left = Pick<LiveRun, 'run' | 'isIdle' | 'wakeAtMs'>

export interface LettingGo {
  /** Resolves also where that failed: the run is found by its row later. */
  letGo(left: Left): Promise<void>
  /** Keeps it until others may go on with it. */
  keep(left: Left): void
  /** Lets go of what was kept, and from now on at once of what is to be kept. Resolves when all that is done. */
  letGoOfKept(): Promise<void>
}

export const makeLettingGo = (options: LettingGoOptions): LettingGo => {
  const { db, requeue, offer, onReleased, onError } = options
  let kept: Left[] = []
  let isOpen = false
  const underWay = new Set<Promise<void>>()

  const letGo = async ({ run, isIdle, wakeAtMs }: Left): Promise<void> => {
    try {
      if (isIdle) {
        await db.commit({ guards: [fenceOf(run)], writes: [releaseRun(run.id)] })
        onReleased(wakeAtMs)
      } else {
        await requeue(run)
        offer(run)
      }
    } catch (error) {
      // Woken meanwhile, and somebody else's by now.
      if (!isStaleWrite(error)) onError(error, run.id)
    }
  }

  const track = (work: Promise<void>): void => {
    underWay.add(work)
    void work.finally(() => underWay.delete(work))
  }

  return {
    letGo,
    keep(left) {
      if (isOpen) track(letGo(left))
      else kept.push(left)
    },
    async letGoOfKept() {
      isOpen = true
      for (const left of kept) track(letGo(left))
      kept = []
      while (underWay.size > 0) await Promise.all(underWay)
    },
  }
}
