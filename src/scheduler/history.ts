/** Keeps the history of fires bounded: what is too old, or too much of one schedule, is removed in small batches. */
import type { Clock } from '../platform/clock.ts'
import type { Database } from '../platform/db/database.ts'
import { makeScheduleRepository } from './repository.ts'

export interface HistoryOptions {
  readonly db: Database
  readonly clock: Clock
  /** Fires of one schedule. */
  readonly keepFires: number
  /** How long a fire is kept after its end. */
  readonly keepMs: number
  readonly onError: (error: unknown) => void
}

/** Fires removed, and schedules looked through, in one transaction. */
const BATCH = 200
const SCHEDULES_AT_ONCE = 50
/** So long between two batches: others want the database, too. */
const BREATH_MS = 200
const ROUND_EVERY_MS = 3_600_000

export const makeHistory = ({ db, clock, keepFires, keepMs, onError }: HistoryOptions) => {
  let afterId = ''
  let disarm = (): void => {}
  let isStopped = true

  const removeOld = (): Promise<number> =>
    db.transaction((tx) => makeScheduleRepository(tx).removeFires(clock.now() - keepMs, BATCH))

  /** False: all schedules have been looked through. One with more to remove than a batch holds is looked at again. */
  const trimNext = (): Promise<boolean> =>
    db.transaction(async (tx) => {
      const repository = makeScheduleRepository(tx)
      const page = await repository.withManyFires(afterId, keepFires, SCHEDULES_AT_ONCE)
      let left = BATCH
      for (const schedule of page) {
        left -= await repository.trimFires(schedule, keepFires, left)
        if (left === 0) return true
        afterId = schedule.id
      }
      if (page.length === SCHEDULES_AT_ONCE) return true
      afterId = ''
      return false
    })

  /** One batch of each kind; true: there may be more. */
  const step = async (): Promise<boolean> => {
    const removed = await removeOld()
    return (await trimNext()) || removed === BATCH
  }

  const arm = (afterMs: number): void => {
    if (isStopped) return
    disarm = clock.after(afterMs, () => {
      step().then(
        (hasMore) => arm(hasMore ? BREATH_MS : ROUND_EVERY_MS),
        (error: unknown) => {
          onError(error)
          arm(ROUND_EVERY_MS)
        },
      )
    })
  }

  return {
    /** A round at once, and then every hour. */
    start(): void {
      isStopped = false
      afterId = ''
      arm(0)
    },
    stop(): void {
      isStopped = true
      disarm()
    },
    step,
  }
}
