/** For each kind, how what is due leaves: page by page, a transaction each. */
import type { Database } from '../platform/db/database.ts'
import { dayOf } from '../platform/limits/usage.ts'
import { type Dated, makeRetentionRepository } from './repository.ts'
import { makeRunRemoval } from './runs.ts'
import type { Bounds, Kind, Place, Removal } from './types.ts'

export interface RemovalsOptions {
  readonly db: Database
  readonly pageSize: number
  readonly rowsAtATime: number
}

type Repository = ReturnType<typeof makeRetentionRepository>

export const makeRemovals = (options: RemovalsOptions): Record<Kind, (bounds: Bounds) => Removal> => {
  const { db, pageSize } = options
  const found = makeRetentionRepository(db.primary)

  const paged = (
    kind: Dated,
    remove: (rows: Repository, ids: readonly (string | number)[], bounds: Bounds) => Promise<number>,
  ) =>
    async function* removePages(bounds: Bounds): Removal {
      let after: Place | undefined
      do {
        const { ids, next } = await found.due(kind, bounds.untilMs, after, pageSize)
        if (ids.length > 0) yield await db.transaction((tx) => remove(makeRetentionRepository(tx), ids, bounds))
        after = next
      } while (after)
    }
  const plain = (kind: 'inbox' | 'events' | 'answers' | 'sessions') =>
    paged(kind, (rows, ids, bounds) => rows.remove(kind, ids, bounds))

  return {
    runs: makeRunRemoval(options),
    tasks: paged('tasks', (rows, ids, bounds) => rows.removeTasks(ids as string[], bounds)),
    deliveries: paged('deliveries', (rows, ids, bounds) => rows.removeDeliveries(ids as string[], bounds)),
    inbox: plain('inbox'),
    events: plain('events'),
    audit: paged('audit', (rows, ids, bounds) => rows.removeAudit(ids as string[], bounds)),
    answers: plain('answers'),
    sessions: plain('sessions'),
    async *usage({ untilMs }): Removal {
      for (;;) {
        const removed = await db.transaction((tx) => makeRetentionRepository(tx).removeUsage(dayOf(untilMs), pageSize))
        if (removed === 0) return
        yield removed
      }
    },
  }
}
