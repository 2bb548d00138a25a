/**
 * Processes that hold runs and attempts, as rows with a lease. One write renews the lease of everything a process holds; when it
 * runs out, others take over under new fences.
 */
import { sql } from 'kysely'
import { LRUCache } from 'lru-cache'
import type { Database } from '../platform/db/database.ts'

export type WorkerTables = {
  workers: { id: string; roles: string; started_at: number; lease_until: number }
}

export interface Workers {
  /** Of this process. */
  readonly id: string
  /** Makes this process known. */
  join(): Promise<void>
  /** This process ends: what it holds may be taken over at once. */
  leave(): Promise<void>
  /** False when others have taken this process for dead. */
  renew(): Promise<boolean>
  /** The database belongs to this process: all others are dead. */
  readonly isAlone: boolean
  /** While nobody could renew, only who is forgotten. */
  isDead(workerId: string): Promise<boolean>
  /**
   * Ids of processes whose lease ran out, and of holders that nobody knows: who was taken for dead and forgotten may still take a run
   * or a task before he hears of it. On a database that belongs to one process, all others are dead.
   */
  dead(): Promise<string[]>
  /** Forgets a process after all that it held was taken over. */
  forget(ids: readonly string[]): Promise<void>
}

/** Who is dead is asked of the database at most so often per process. */
const KNOWN_MS = 500

export interface WorkersOptions {
  readonly db: Database
  readonly id: string
  readonly roles: readonly string[]
  readonly leaseMs: number
  readonly now: () => number
}

export const makeWorkers = ({ db, id, roles, leaseMs, now }: WorkersOptions): Workers => {
  const forgetAll = (ids: readonly string[]): Promise<void> =>
    db.transaction(async (tx) => {
      if (ids.length > 0) await tx.withTables<WorkerTables>().deleteFrom('workers').where('id', 'in', ids).execute()
    })
  const strangers = async (): Promise<string[]> => {
    const { rows } = await sql<{ worker_id: string }>`
      SELECT worker_id FROM runs WHERE worker_id IS NOT NULL AND status = 'running' AND worker_id NOT IN (SELECT id FROM workers)
      UNION
      SELECT worker_id FROM tasks WHERE worker_id IS NOT NULL AND status = 'running' AND worker_id NOT IN (SELECT id FROM workers)
    `.execute(db.primary)
    return rows.map((row) => row.worker_id)
  }
  /** Found alive, and when. */
  const alive = new LRUCache<string, number>({ max: 1000 })
  /** When this process has last renewed its own lease, and until when others have time to renew theirs after it could not. */
  let renewedMs = now()
  let patientUntilMs = 0
  const isLate = (): boolean => now() - renewedMs > leaseMs
  const isPatient = (): boolean => isLate() || now() < patientUntilMs
  return {
    id,
    join: () =>
      db.transaction(async (tx) => {
        renewedMs = now()
        const row = { id, roles: roles.join(','), started_at: now(), lease_until: now() + leaseMs }
        await tx.withTables<WorkerTables>().insertInto('workers').values(row).execute()
      }),
    async renew() {
      if (isLate()) patientUntilMs = now() + leaseMs
      const isRenewed = await db.transaction(async (tx) => {
        const renewed = tx
          .withTables<WorkerTables>()
          .updateTable('workers')
          .set({ lease_until: now() + leaseMs })
        const { numUpdatedRows } = await renewed.where('id', '=', id).executeTakeFirstOrThrow()
        return numUpdatedRows > 0n
      })
      renewedMs = now()
      return isRenewed
    },
    async leave() {
      if (db.isExclusive) return
      await db.transaction(async (tx) => {
        const update = tx.withTables<WorkerTables>().updateTable('workers').set({ lease_until: 0 })
        await update.where('id', '=', id).execute()
      })
    },
    isAlone: db.isExclusive,
    async isDead(workerId) {
      if (db.isExclusive) return workerId !== id
      const known = alive.get(workerId)
      if (known !== undefined && now() - known < KNOWN_MS) return false
      const query = db.primary.withTables<WorkerTables>().selectFrom('workers').select('lease_until')
      const row = await query.where('id', '=', workerId).executeTakeFirst()
      const isDead = row === undefined || (row.lease_until < now() && !isPatient())
      if (isDead) alive.delete(workerId)
      else alive.set(workerId, now())
      return isDead
    },
    async dead() {
      let query = db.primary.withTables<WorkerTables>().selectFrom('workers').select('id').where('id', '<>', id)
      if (!db.isExclusive) query = query.where('lease_until', '<', now())
      const known = (await query.execute()).map((row) => row.id)
      return [...new Set([...known, ...(await strangers())])].filter((each) => each !== id)
    },
    forget: forgetAll,
  }
}
