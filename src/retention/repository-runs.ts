/** Ended runs with their descendants, which stay as long as their root does. */
import type { Handle } from '../platform/db/database.ts'
import type { RetentionTables } from './schema.ts'
import type { Bounds } from './types.ts'

export interface Descendant {
  readonly id: string
  readonly parentId: string
  readonly finishedAtMs: number | null
}

export interface EventsOfRun {
  readonly count: number
  readonly lastId: number
}

export const makeRunRetentionRepository = (handle: Handle) => {
  const db = handle.withTables<RetentionTables>()
  return {
    async childrenOf(ids: readonly string[]): Promise<Descendant[]> {
      const query = db.selectFrom('runs').select(['id', 'parent_run_id', 'finished_at'])
      const rows = await query.where('parent_run_id', 'in', ids).execute()
      return rows.map((row) => ({
        id: row.id,
        parentId: row.parent_run_id as string,
        finishedAtMs: row.finished_at,
      }))
    },

    /** A run without events is missing. */
    async eventsOf(ids: readonly string[]): Promise<Map<string, EventsOfRun>> {
      const query = db
        .selectFrom('events')
        .select((eb) => ['run_id', eb.fn.countAll<number>().as('count'), eb.fn.max('id').as('last')])
      const rows = await query.where('run_id', 'in', ids).groupBy('run_id').execute()
      return new Map(rows.map((row) => [row.run_id as string, { count: Number(row.count), lastId: Number(row.last) }]))
    },

    /** With journals, tasks, signals and events. Says how many runs went. */
    async remove(ids: readonly string[], { untilMs }: Bounds): Promise<number> {
      const runs = db.deleteFrom('runs').where('id', 'in', ids).where('finished_at', '<=', untilMs).returning('id')
      const gone = (await runs.execute()).map(({ id }) => id)
      if (gone.length === 0) return 0
      await db.deleteFrom('journal').where('run_id', 'in', gone).execute()
      await db.deleteFrom('signals').where('run_id', 'in', gone).execute()
      await db.deleteFrom('tasks').where('run_id', 'in', gone).execute()
      await db.deleteFrom('events').where('run_id', 'in', gone).execute()
      return gone.length
    },
  }
}
