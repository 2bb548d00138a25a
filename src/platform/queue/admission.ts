/**
 * Hands committed work to the queue as far as the window has room; the rest waits `queued` in the database. With room to spare work
 * goes straight through, without a scan. Any process offers, any process refills; the window sees to it that only one does at a time.
 */
import type { Clock } from '../clock.ts'
import type { Job, Partition, Queue } from './queue.ts'
import type { Entrant, Inside, Window } from './window.ts'

export interface Backlog {
  /** The head of a partition's backlog without what is inside: the most urgent first, and fair between tenants. */
  read(limit: number, inside: ReadonlyMap<string, Inside>): Promise<BacklogHead>
  /** Of jobs that have been inside for long: those that still wait for somebody to take them, and the ids of those at work. */
  look(ids: readonly string[]): Promise<{ readonly queued: readonly Job[]; readonly working: readonly string[] }>
}

export interface BacklogHead {
  readonly jobs: readonly Job[]
  /** There is no more than that. */
  readonly isAll: boolean
}

export interface AdmissionOptions {
  readonly queue: Queue
  readonly window: Window
  readonly clock: Clock
  readonly partition: Partition
  readonly workerId: string
  readonly backlog: Backlog
  /** The limits that hold for a job; undefined: its partition or tenant is paused. */
  entrant(job: Job): Entrant | undefined
  readonly onError: (error: unknown) => void
}

export interface Admission {
  /** Takes note of committed work; it reaches the queue soon, or when there is room. */
  offer(job: Job): void
  /** The job is over, or was removed. */
  left(job: Pick<Job, 'id'>): void
  /** Reads the backlog even if nothing is known to wait. */
  refill(): Promise<void>
  /** Finds jobs that were lost on their way, or whose end nobody told. For the sweep. */
  heal(): Promise<void>
  /** This process does so many jobs at a time, from now on. */
  serve(places: number): () => void
}

/** A job that has been inside for so long is looked at. */
const OLD_MS = 15_000
const PLACES_EVERY_MS = 10_000
/** Jobs that travel together. */
const BATCH = 500

export const makeAdmission = (options: AdmissionOptions): Admission => {
  const { queue, window, clock, partition, backlog, entrant, onError } = options
  let offered: Job[] = []
  let gone: string[] = []
  let flushing: Promise<void> | undefined
  let leaving: Promise<void> | undefined
  let refilling: Promise<void> | undefined
  let disarmAgain: (() => void) | undefined

  /** Those that get a place go to the queue; returns how many. */
  const enter = async (jobs: readonly Job[], isRefill: boolean): Promise<number> => {
    const able = jobs.flatMap((job) => {
      const asks = entrant(job)
      return asks ? [{ job, asks }] : []
    })
    if (able.length === 0) return 0
    const entries = await window.enter(
      partition,
      able.map(({ asks }) => asks),
      isRefill,
    )
    const admitted: Job[] = []
    entries.forEach((entry, i) => {
      if ('rank' in entry) admitted.push({ ...(able[i] as { job: Job }).job, rank: entry.rank })
      else if (entry.refused === 'rate') refillIn(entry.againInMs)
    })
    if (admitted.length > 0) await add(admitted)
    return admitted.length
  }

  const add = async (jobs: readonly Job[]): Promise<void> => {
    try {
      await queue.add(jobs)
    } catch (error) {
      // Should this fail as well, the sweep finds them.
      for (const job of jobs) left(job)
      throw error
    }
  }

  const refillIn = (ms: number): void => {
    disarmAgain ??= clock.after(ms, () => {
      disarmAgain = undefined
      void refill()
    })
  }

  const flush = async (): Promise<void> => {
    await Promise.resolve()
    while (offered.length > 0) {
      const jobs = offered.slice(0, BATCH)
      offered = offered.slice(BATCH)
      // What fails is queued in the database all the same: a refill finds it.
      try {
        await enter(jobs, false)
      } catch (error) {
        onError(error)
      }
    }
    flushing = undefined
  }

  const flushGone = async (): Promise<void> => {
    await Promise.resolve()
    while (gone.length > 0) {
      const ids = gone
      gone = []
      const isAwaited = await window.leave(partition, ids).catch((error: unknown) => {
        onError(error)
        return false
      })
      if (isAwaited) void refill()
    }
    leaving = undefined
  }

  const readAndEnter = async (): Promise<void> => {
    if (!(await window.beginRefill(partition))) return
    let isDrained = false
    try {
      for (;;) {
        const room = Math.min(await window.room(partition), BATCH)
        if (room <= 0) return
        const { jobs, isAll } = await backlog.read(room, await window.inside(partition))
        const entered = await enter(jobs, true)
        isDrained = isAll
        // Those that are refused for a limit come back when it has room.
        if (isAll || entered === 0) return
      }
    } finally {
      await window.endRefill(partition, isDrained)
    }
  }

  const refill = (): Promise<void> => {
    refilling ??= readAndEnter()
      .catch(onError)
      .finally(() => {
        refilling = undefined
      })
    return refilling
  }

  const left = ({ id }: Pick<Job, 'id'>): void => {
    gone.push(id)
    leaving ??= flushGone()
  }

  return {
    offer(job) {
      offered.push(job)
      flushing ??= flush()
    },
    left,
    refill,
    async heal() {
      const inside = await window.inside(partition)
      const old = [...inside].filter(([, { enteredMs }]) => clock.now() - enteredMs > OLD_MS).map(([id]) => id)
      for (let i = 0; i < old.length; i += BATCH) {
        const ids = old.slice(i, i + BATCH)
        const { queued, working } = await backlog.look(ids)
        // Dropped by the queue if it still has them.
        await queue.add(queued)
        const known = new Set([...queued.map((job) => job.id), ...working])
        const over = ids.filter((id) => !known.has(id))
        if (over.length > 0) await window.leave(partition, over)
      }
    },
    serve(places) {
      let disarm = (): void => {}
      const say = (): void => {
        window.setPlaces(partition, options.workerId, places).catch(onError)
        disarm = clock.after(PLACES_EVERY_MS, say)
      }
      say()
      return () => {
        disarm()
        window.setPlaces(partition, options.workerId, 0).catch(onError)
      }
    },
  }
}
