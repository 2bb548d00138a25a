/**
 * Group commit: units of writes that are handed in within the same moment share one transaction, and so one sync to disk.
 * A unit is all or nothing, and a unit that fails (stale fence, taken key) never takes its neighbours with it.
 */
import { EVENT_COLUMNS, type Event, type NewEvent } from '../events/event.ts'
import { dbErrors } from './errors.ts'
import { type Guard, insertRows, type Write } from './statements.ts'

export interface Unit {
  /** Checked inside the transaction; one that fails refuses the unit with `stale_write`. */
  readonly guards?: readonly Guard[]
  readonly writes: readonly Write[]
  readonly events?: readonly NewEvent[]
}

/** What a dialect does with a group: per unit `undefined` for done, or the error that refused it. Throws when nothing was written. */
export type WriteGroup = (units: readonly Unit[]) => Promise<UnitResult[]>
export type UnitResult = { readonly eventIds: readonly number[] } | Error

export interface GroupCommit {
  /** Resolves after the transaction is durable. */
  commit(unit: Unit): Promise<void>
  /** Figures since the start: transactions and the units they carried. */
  readonly stats: { transactions: number; units: number }
  /** Waits for what was handed in. */
  drain(): Promise<void>
}

export const insertEvent = insertRows('events', EVENT_COLUMNS, { returning: 'id' })

export const staleWrite = (guard: Guard): Error =>
  dbErrors.stale_write(`the ${guard.table === 'runs' ? 'run' : 'task'} ${guard.id} is held by another owner by now`, {
    details: { table: guard.table, id: guard.id, fence: guard.fence },
  })

interface Waiting {
  readonly unit: Unit
  resolve(): void
  reject(error: unknown): void
}

export interface GroupCommitOptions {
  writeGroup: WriteGroup
  publish(events: readonly Event[]): void
  /** The most units in one transaction; it bounds the time that others wait and the memory that one takes. */
  maxUnits?: number
}

export const makeGroupCommit = ({ writeGroup, publish, maxUnits = 1000 }: GroupCommitOptions): GroupCommit => {
  const stats = { transactions: 0, units: 0 }
  let waiting: Waiting[] = []
  let flushing = false
  let idle: (() => void)[] = []

  const settle = (group: readonly Waiting[], results: readonly UnitResult[]): void => {
    const events: Event[] = []
    for (const [i, { unit, resolve, reject }] of group.entries()) {
      const result = results[i]!
      if (result instanceof Error) {
        reject(result)
        continue
      }
      unit.events?.forEach((event, j) => {
        events.push({ ...event, id: result.eventIds[j]! })
      })
      resolve()
    }
    if (events.length > 0) publish(events)
  }

  const flush = async (): Promise<void> => {
    while (waiting.length > 0) {
      const group = waiting.length <= maxUnits ? waiting : waiting.slice(0, maxUnits)
      waiting = waiting.length <= maxUnits ? [] : waiting.slice(maxUnits)
      try {
        const results = await writeGroup(group.map((entry) => entry.unit))
        stats.transactions++
        stats.units += group.length
        settle(group, results)
      } catch (error) {
        for (const entry of group) entry.reject(error)
      }
      // Lets the callers that just went on hand in their next unit, so that it joins this group's successor.
      await new Promise<void>((resolve) => setImmediate(resolve))
    }
    flushing = false
    for (const done of idle) done()
    idle = []
  }

  return {
    stats,
    commit(unit) {
      return new Promise<void>((resolve, reject) => {
        waiting.push({ unit, resolve, reject })
        if (flushing) return
        flushing = true
        setImmediate(() => void flush())
      })
    },
    drain: () => (flushing ? new Promise<void>((resolve) => idle.push(resolve)) : Promise.resolve()),
  }
}
