/**
 * Work that one process does for all: each duty is held under a lease in the database, so that any number of processes share the duties
 * without doing them twice, and when one dies the others take over within a lease. Processes without a bus cannot tell each other
 * anything, so each of them does everything; twice does no harm, since every write is guarded.
 */
import type { Bus } from './bus/bus.ts'
import type { Clock } from './clock.ts'
import type { Database } from './db/database.ts'

export interface Duty {
  /** The same in every process. */
  readonly name: string
  start(): unknown
  stop(): unknown
}

export interface Duties {
  start(): Promise<void>
  /** Lets go of all, so that others take over at once. */
  stop(): Promise<void>
  /** Names of those held here. */
  readonly held: readonly string[]
}

export interface DutiesOptions {
  readonly db: Database
  readonly bus: Bus
  readonly clock: Clock
  readonly workerId: string
  readonly duties: readonly Duty[]
  readonly leaseMs?: number
  readonly onError: (error: unknown) => void
}

export type DutyTables = { duties: { name: string; worker_id: string; lease_until: number } }

const LOOKS_PER_LEASE = 3
const RELEASED = 'duties:released'

export const makeDuties = (options: DutiesOptions): Duties => {
  const { db, bus, clock, workerId, duties, leaseMs = 6000, onError } = options
  /** Until when each is ours for certain. */
  const held = new Map<string, number>()
  let disarm = (): void => {}
  let isStopped = true

  /** Renews what is held and takes what is free, of which at most `most`: others want their part. */
  const acquire = (most: number): Promise<string[]> =>
    db.transaction(async (tx) => {
      const table = tx.withTables<DutyTables>()
      const nowMs = clock.now()
      const rows = await table.selectFrom('duties').selectAll().orderBy('name').forUpdate().execute()
      const mine: string[] = []
      let taken = 0
      for (const row of rows) {
        const isMine = row.worker_id === workerId
        const isFree = row.lease_until <= nowMs
        if (!duties.some((duty) => duty.name === row.name) || !(isMine || (isFree && taken < most))) continue
        if (!isMine) taken++
        mine.push(row.name)
      }
      if (mine.length > 0) {
        const lease = { worker_id: workerId, lease_until: nowMs + leaseMs }
        await table.updateTable('duties').set(lease).where('name', 'in', mine).execute()
      }
      return mine
    })

  const leave = async (name: string): Promise<void> => {
    held.delete(name)
    await duties.find((duty) => duty.name === name)?.stop()
  }

  const look = async (most: number): Promise<void> => {
    // Counted from before the write: the lease is over for us not later than for the others.
    const untilMs = clock.now() + leaseMs
    try {
      const mine = await acquire(most)
      for (const name of held.keys()) if (!mine.includes(name)) await leave(name)
      for (const name of mine) {
        const isNew = !held.has(name)
        held.set(name, untilMs)
        if (isNew && !isStopped) await duties.find((duty) => duty.name === name)?.start()
      }
    } catch (error) {
      onError(error)
      for (const [name, endMs] of held) if (clock.now() >= endMs) await leave(name)
    }
    disarm()
    if (!isStopped) disarm = clock.after(leaseMs / LOOKS_PER_LEASE, () => void look(1))
  }

  bus.on(RELEASED, () => {
    disarm()
    if (!isStopped) disarm = clock.after(Math.random() * 200, () => void look(1))
  })

  const seed = (): Promise<void> =>
    db.transaction(async (tx) => {
      const rows = duties.map(({ name }) => ({ name, worker_id: '', lease_until: 0 }))
      const insert = tx.withTables<DutyTables>().insertInto('duties').values(rows)
      await insert.onConflict((conflict) => conflict.column('name').doNothing()).execute()
    })

  return {
    async start() {
      isStopped = false
      if (!bus.isShared) {
        for (const duty of duties) {
          held.set(duty.name, Number.POSITIVE_INFINITY)
          await duty.start()
        }
        return
      }
      await seed()
      await look(Math.ceil(duties.length / 2))
    },
    async stop() {
      if (isStopped) return
      isStopped = true
      disarm()
      const names = [...held.keys()]
      for (const name of names) await leave(name)
      if (!bus.isShared || names.length === 0) return
      const free = { worker_id: '', lease_until: 0 }
      await db
        .transaction(async (tx) => {
          const update = tx.withTables<DutyTables>().updateTable('duties').set(free)
          await update.where('name', 'in', names).where('worker_id', '=', workerId).execute()
        })
        .catch(onError)
      bus.broadcast(RELEASED, names)
    },
    get held() {
      return [...held.keys()]
    },
  }
}
