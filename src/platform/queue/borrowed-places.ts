/** The places that others lend to this process: taken in turn for the work that is made here, and asked for while there are too few. */
import { LRUCache } from 'lru-cache'
import type { Bus } from '../bus/bus.ts'
import type { Clock } from '../clock.ts'
import { PLACE_KINDS, type Place, type PlacedWork, type PlaceKind, placeKey, placeMessages } from './place.ts'
import type { Partition } from './queue.ts'

export interface BorrowedPlacesOptions<T> {
  readonly bus: Bus
  readonly clock: Clock
  /** Before the names of the messages. */
  readonly topic: string
  /** Its lender was gone by the time it was committed: nobody knows of it, and whoever took over from him may have come too early. */
  orphaned(work: T): void
}

export interface BorrowedPlaces<T> {
  /** A place in another process, if one was lent to this one; otherwise one is asked for, for the next time. */
  take(partition: Partition, tenantId: string): Place<T> | undefined
  /** Forgets what that process has lent. False when it was nothing. */
  forget(lender: string): boolean
  forgetAll(): void
}

/** How often places are asked for, and how seldom while nobody has any. */
const ASK_EVERY_MS = 20
const ASK_AT_LEAST_MS = 1000
/** A tenant that has made nothing here for so long may take a spare place. */
const QUIET_MS = 500
const TENANTS_MAX = 1000
/** Work larger than that does not travel: whoever does it reads it. */
const TRAVELS_BYTES = 16_384

/** A place as its borrower has it. */
interface Ticket {
  readonly key: string
  readonly lender: string
}

interface Asking {
  missed: number
  everyMs: number
  isArmed: boolean
}

export const makeBorrowedPlaces = <T extends PlacedWork>(options: BorrowedPlacesOptions<T>): BorrowedPlaces<T> => {
  const { bus, clock, topic, orphaned } = options
  const { WANTED, LENT, REVOKED, START } = placeMessages(topic)

  /** Lenders, one entry a place, taken in turn. */
  const borrowed = new Map<string, string[]>()
  /** Those whose work is being committed, unless they were taken back meanwhile. */
  const inUse = new Set<Ticket>()
  const askings = new Map<Partition, Asking>()
  /** When a tenant last made something here. */
  const madeMs = new LRUCache<string, number>({ max: TENANTS_MAX })

  const ask = (partition: Partition, asking: Asking): void => {
    bus.broadcast(WANTED, [partition, asking.missed])
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

  const borrow = (partition: Partition, kind: PlaceKind, lender: string, count: number): void => {
    const lenders = borrowed.get(placeKey(partition, kind)) ?? []
    borrowed.set(placeKey(partition, kind), lenders)
    for (let i = 0; i < count; i++) lenders.push(lender)
    const asking = askings.get(partition)
    if (asking && kind === 'places') asking.everyMs = ASK_EVERY_MS
  }

  /** False when nothing was borrowed there. */
  const forgetLender = (key: string, lender: string): boolean => {
    const known = borrowed.get(key) ?? []
    const others = known.filter((each) => each !== lender)
    borrowed.set(key, others)
    const lost = [...inUse].filter((ticket) => ticket.key === key && ticket.lender === lender)
    for (const ticket of lost) inUse.delete(ticket)
    return others.length < known.length || lost.length > 0
  }

  const isQuiet = (partition: Partition, tenantId: string): boolean => {
    const key = `${partition} ${tenantId}`
    const lastMs = madeMs.get(key) ?? Number.NEGATIVE_INFINITY
    madeMs.set(key, clock.now())
    return clock.now() - lastMs >= QUIET_MS
  }

  bus.on(LENT, (message, from) => {
    const [partition, kind, count] = message as [Partition, PlaceKind, number]
    borrow(partition, kind, from, count)
  })
  bus.on(REVOKED, (key, from) => void forgetLender(key as string, from))

  return {
    take(partition, tenantId) {
      if (!bus.isShared) return undefined
      const allowed = isQuiet(partition, tenantId) ? PLACE_KINDS : PLACE_KINDS.slice(0, 1)
      for (const kind of allowed) {
        const key = placeKey(partition, kind)
        const lender = borrowed.get(key)?.shift()
        if (lender === undefined) continue
        const ticket: Ticket = { key, lender }
        inUse.add(ticket)
        return {
          workerId: lender,
          start(work) {
            inUse.delete(ticket)
            if (!bus.knows(lender)) {
              orphaned(work)
              return
            }
            const text = JSON.stringify(work)
            bus.send(lender, START, [partition, kind, work.id, ...(text.length <= TRAVELS_BYTES ? [text] : [])])
          },
          giveBack() {
            if (inUse.delete(ticket)) borrow(partition, kind, lender, 1)
          },
        }
      }
      miss(partition)
      return undefined
    },
    // Filtered first, so that each kind is forgotten.
    forget: (lender) => [...borrowed.keys()].filter((key) => forgetLender(key, lender)).length > 0,
    forgetAll() {
      borrowed.clear()
      inUse.clear()
    },
  }
}
