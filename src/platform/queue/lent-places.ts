/**
 * Places that a process lends to others while it has some to spare: whoever makes work writes it as running at the lender and hands it
 * over, without the queue between. A lender that gets busy takes back what nobody uses. Messages only make this quicker: work whose
 * message was lost is found by its row, as work of a process that has ended is.
 */
import type { Bus } from '../bus/bus.ts'
import type { Clock } from '../clock.ts'
import type { Partition } from './queue.ts'

/** Where new work starts with its birth, without the queue. */
export interface Place<T> {
  /** The process that does it. */
  readonly workerId: string
  /** After the commit that says so. */
  start(work: T): void
  /** There was no such commit. */
  giveBack(): void
}

export interface LentPlacesOptions<T> {
  readonly bus: Bus
  readonly clock: Clock
  /** This process, which does the work that is read. */
  readonly workerId: string
  /** Before the names of the messages. */
  readonly topic: string
  /** Reads work that is too large to travel. */
  read(id: string): Promise<T | undefined>
  /** Begins what another process has made for a place here; calls `free` when the place is free again. */
  run(work: T, free: () => void, from: string): void
  readonly onError: (error: unknown, id: string) => void
}

/** Work as its row says, plain enough for JSON. */
interface Work {
  readonly id: string
  readonly workerId: string | null
}

export interface LentPlaces<T> {
  /** A place in another process, if one was lent to this one; otherwise one is asked for, for the next time. */
  take(partition: Partition): Place<T> | undefined
  /** Lends places of this process from now on, as far as there are any. */
  lend(partition: Partition, reserve: () => (() => void) | undefined): void
  /** All places of this process are taken: what is lent and not used comes back, and nothing is lent for a while. */
  full(partition: Partition): void
  /** Lends no more. */
  stop(): void
}

/** Who was full a moment ago lends nothing: there may be others in the queue. */
const CALM_MS = 250
/** How often places are asked for, and how seldom while nobody has any. */
const ASK_EVERY_MS = 20
const ASK_AT_LEAST_MS = 1000
/** Places for one question. */
const LEND_MAX = 50
/** Work larger than that does not travel: whoever does it reads it. */
const TRAVELS_BYTES = 16_384

interface Asking {
  missed: number
  everyMs: number
  isArmed: boolean
}

export const makeLentPlaces = <T extends Work>(options: LentPlacesOptions<T>): LentPlaces<T> => {
  const { bus, clock, workerId, topic, read, run, onError } = options
  const WANT = `${topic}:places-wanted`
  const LENT = `${topic}:places-lent`
  const REVOKED = `${topic}:places-revoked`
  const START = `${topic}:start`

  // ---- borrowed -----------------------------------------------------------------------------------------------------------------

  /** Lenders, one entry a place, taken in turn. */
  const borrowed = new Map<Partition, string[]>()
  const askings = new Map<Partition, Asking>()

  const ask = (partition: Partition, asking: Asking): void => {
    bus.broadcast(WANT, [partition, asking.missed])
    asking.missed = 0
    asking.isArmed = true
    const { everyMs } = asking
    asking.everyMs = Math.min(2 * everyMs, ASK_AT_LEAST_MS)
    clock.after(everyMs, () => {
      asking.isArmed = false
      if (asking.missed > 0) ask(partition, asking)
    })
  }

  const miss = (partition: Partition): void => {
    const asking = askings.get(partition) ?? { missed: 0, everyMs: ASK_EVERY_MS, isArmed: false }
    askings.set(partition, asking)
    asking.missed++
    if (!asking.isArmed) ask(partition, asking)
  }

  const borrow = (partition: Partition, lender: string, count: number): void => {
    const places = borrowed.get(partition) ?? []
    borrowed.set(partition, places)
    for (let i = 0; i < count; i++) places.push(lender)
    const asking = askings.get(partition)
    if (asking) asking.everyMs = ASK_EVERY_MS
  }

  const forgetLender = (partition: Partition, lender: string): void => {
    const others = borrowed.get(partition)?.filter((each) => each !== lender)
    if (others) borrowed.set(partition, others)
  }

  bus.on(LENT, (message, from) => {
    const [partition, count] = message as [Partition, number]
    borrow(partition, from, count)
  })
  bus.on(REVOKED, (partition, from) => forgetLender(partition as Partition, from))

  // ---- lent ---------------------------------------------------------------------------------------------------------------------

  const reserves = new Map<Partition, () => (() => void) | undefined>()
  const fullMs = new Map<Partition, number>()
  /** By borrower: how to get back what he does not use. */
  const lent = new Map<Partition, Map<string, (() => void)[]>>()

  const isCalm = (partition: Partition): boolean =>
    reserves.has(partition) && clock.now() - (fullMs.get(partition) ?? Number.NEGATIVE_INFINITY) >= CALM_MS

  const lentTo = (partition: Partition, borrower: string): (() => void)[] => {
    const borrowers = lent.get(partition) ?? new Map<string, (() => void)[]>()
    lent.set(partition, borrowers)
    const places = borrowers.get(borrower) ?? []
    borrowers.set(borrower, places)
    return places
  }

  const lendTo = (borrower: string, partition: Partition, places: readonly (() => void)[]): void => {
    if (places.length === 0) return
    lentTo(partition, borrower).push(...places)
    bus.send(borrower, LENT, [partition, places.length])
  }

  const takeBack = (partition: Partition, borrower: string): void => {
    const places = lent.get(partition)?.get(borrower) ?? []
    lent.get(partition)?.delete(borrower)
    for (const giveBack of places) giveBack()
  }

  const takeAllBack = (partition: Partition): void => {
    for (const borrower of [...(lent.get(partition)?.keys() ?? [])]) {
      takeBack(partition, borrower)
      bus.send(borrower, REVOKED, partition)
    }
  }

  bus.on(WANT, (message, from) => {
    const [partition, count] = message as [Partition, number]
    if (!isCalm(partition)) return
    const places: (() => void)[] = []
    while (places.length < Math.min(count, LEND_MAX)) {
      const giveBack = reserves.get(partition)?.()
      if (!giveBack) break
      places.push(giveBack)
    }
    lendTo(from, partition, places)
  })

  bus.on(START, (message, from) => {
    const [partition, id, text] = message as [Partition, string, string?]
    // Without one it was taken back while the work was on its way, which is done all the same: it is committed.
    const giveBack = lent.get(partition)?.get(from)?.pop()
    const free = (): void => {
      if (!giveBack) return
      if (isCalm(partition)) lendTo(from, partition, [giveBack])
      else giveBack()
    }
    if (text !== undefined) return run(JSON.parse(text) as T, free, from)
    read(id)
      .then((work) => (work?.workerId === workerId ? run(work, free, from) : free()))
      .catch((error: unknown) => {
        free()
        onError(error, id)
      })
  })

  // ---- both ---------------------------------------------------------------------------------------------------------------------

  const forget = (peer: string): void => {
    for (const partition of borrowed.keys()) forgetLender(partition, peer)
    for (const partition of lent.keys()) takeBack(partition, peer)
  }

  bus.onLeft(forget)
  // Messages may have been lost: both sides begin anew.
  bus.onGap(() => {
    borrowed.clear()
    for (const [partition, borrowers] of lent)
      for (const borrower of [...borrowers.keys()]) takeBack(partition, borrower)
  })

  return {
    take(partition) {
      if (!bus.isShared) return undefined
      const lender = borrowed.get(partition)?.shift()
      if (lender === undefined) {
        miss(partition)
        return undefined
      }
      return {
        workerId: lender,
        start(work) {
          const text = JSON.stringify(work)
          bus.send(lender, START, [partition, work.id, ...(text.length <= TRAVELS_BYTES ? [text] : [])])
        },
        giveBack: () => borrow(partition, lender, 1),
      }
    },
    lend(partition, reserve) {
      reserves.set(partition, reserve)
    },
    full(partition) {
      fullMs.set(partition, clock.now())
      takeAllBack(partition)
    },
    stop() {
      for (const partition of [...reserves.keys()]) {
        reserves.delete(partition)
        takeAllBack(partition)
      }
    },
  }
}
