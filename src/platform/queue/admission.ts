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
  /** There is no more than that, but for what is at a limit or paused. */
  readonly isAll: boolean
  /** All tenants were looked at; otherwise the next reading goes on with the others. */
  readonly isTurnDone: boolean
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
  /** Finds jobs that were lost on their way, or whose end nobody told: among those inside for long, or among all. For the sweep. */
  heal(among?: 'old' | 'all'): Promise<void>
  /** This process does so many jobs at a time, from now on. */
  serve(places: number): () => void
}

/** A job that has been inside for so long is looked at. */
const OLD_MS = 15_000
const PLACES_EVERY_MS = 10_000
/** Jobs that travel together. */
const BATCH = 500
/** Jobs of one step of a refill at the least: a window takes them in one script, during which nobody else is answered. */
const STEP_LEAST = 100
/** A step whose reading took longer is followed by a larger one: a busy database takes its time for few as for many. */
const SLOW_READ_MS = 5
/** After a failure the backlog is read again so much later. */
const AFTER_FAILURE_MS = 1000
/** Readings in a row in which nothing could go on: the rest is left to the next sweep. */
const BARREN_MAX = 20

export const makeAdmission = (options: AdmissionOptions): Admission => {
  const { queue, window, clock, partition, backlog, entrant, onError } = options
  let offered: Job[] = []
  let gone: string[] = []
  let isFlushing = false
  let isLeaving = false
  let refilling: Promise<void> | undefined
  let isAsked = false
  let step = STEP_LEAST
  let again: { readonly atMs: number; disarm(): void } | undefined

  /** Those that get a place go to the queue: how many, and whether others found none. */
  const enter = async (jobs: readonly Job[], isRefill: boolean): Promise<{ count: number; isFull: boolean }> => {
    const able = jobs.flatMap((job) => {
      const asks = entrant(job)
      return asks ? [{ job, asks }] : []
    })
    if (able.length === 0) return { count: 0, isFull: false }
    const entries = await window.enter(
      partition,
      able.map(({ asks }) => asks),
      isRefill,
    )
    const admitted: Job[] = []
    let isFull = false
    entries.forEach((entry, i) => {
      if ('rank' in entry) admitted.push({ ...(able[i] as { job: Job }).job, rank: entry.rank })
      else if (entry.refused === 'rate') refillIn(entry.againInMs)
      else if (entry.refused === 'full') isFull = true
    })
    if (admitted.length > 0) await add(admitted)
    return { count: admitted.length, isFull }
  }

  const add = async (jobs: readonly Job[]): Promise<void> => {
    try {
      await queue.add(jobs)
    } catch (error) {
      // Should this fail as well, the sweep finds them. Whoever waits for the places is served by the refill to come.
      const ids = jobs.map((job) => job.id)
      await window.leave(partition, ids).catch(onError)
      throw error
    }
  }

  const refillIn = (ms: number): void => {
    const atMs = clock.now() + ms
    if (again && again.atMs <= atMs) return
    again?.disarm()
    const disarm = clock.after(ms, () => {
      again = undefined
      void refill()
    })
    again = { atMs, disarm }
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
        refillIn(AFTER_FAILURE_MS)
      }
    }
    isFlushing = false
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
    isLeaving = false
  }

  /**
   * Fills the window from the backlog, by no more than there is room for at the beginning: what becomes free meanwhile is for the next
   * refill, or this one would never end under load. Resolves with whether all that can go on has.
   */
  const fill = async (): Promise<boolean> => {
    let room = await window.room(partition)
    for (let barren = 0; barren < BARREN_MAX; ) {
      if (room <= 0) return false
      const inside = await window.inside(partition)
      const beganMs = clock.now()
      const { jobs, isAll, isTurnDone } = await backlog.read(Math.min(room, step), inside)
      const isSlow = clock.now() - beganMs > SLOW_READ_MS
      step = isSlow ? Math.min(2 * step, BATCH) : Math.max(Math.floor(step / 2), STEP_LEAST)
      const { count, isFull } = await enter(jobs, true)
      if (isFull && count === 0) return false
      if (isAll && !isFull) return true
      // Those that are at a limit come back when it has room.
      if (count === 0 && isTurnDone) return true
      barren = count === 0 ? barren + 1 : 0
      room -= count
    }
    return true
  }

  const readAndEnter = async (): Promise<void> => {
    for (let goesOn = true; goesOn; ) {
      if (!(await window.beginRefill(partition))) return
      const isDrained = await fill().catch(async (error: unknown) => {
        await window.endRefill(partition, false).catch(onError)
        throw error
      })
      goesOn = await window.endRefill(partition, isDrained)
    }
  }

  const refill = (): Promise<void> => {
    isAsked = true
    refilling ??= (async () => {
      while (isAsked) {
        isAsked = false
        await readAndEnter()
      }
    })()
      .catch((error: unknown) => {
        onError(error)
        refillIn(AFTER_FAILURE_MS)
      })
      .finally(() => {
        refilling = undefined
      })
    return refilling
  }

  const left = ({ id }: Pick<Job, 'id'>): void => {
    gone.push(id)
    if (isLeaving) return
    isLeaving = true
    void flushGone()
  }

  return {
    offer(job) {
      offered.push(job)
      if (isFlushing) return
      isFlushing = true
      void flush()
    },
    left,
    refill,
    async heal(among = 'old') {
      const inside = await window.inside(partition)
      const isDoubtful = ({ enteredMs }: Inside): boolean => among === 'all' || clock.now() - enteredMs > OLD_MS
      const doubtful = [...inside].filter(([, entry]) => isDoubtful(entry)).map(([id]) => id)
      for (let i = 0; i < doubtful.length; i += BATCH) {
        const ids = doubtful.slice(i, i + BATCH)
        const { queued, working } = await backlog.look(ids)
        // Dropped by the queue if it still has them.
        await queue.add(queued)
        const known = new Set([...queued.map((job) => job.id), ...working])
        const over = ids.filter((id) => !known.has(id))
        if (over.length > 0 && (await window.leave(partition, over))) void refill()
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
