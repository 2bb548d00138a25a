/**
 * Places that a process lends to others while it has some to spare: whoever makes work writes it as running at the lender and hands it
 * over, without the queue between. A lender that gets busy takes back what nobody uses, but for a few spare places, which are for
 * tenants that have made nothing for a moment: a flood of others does not make them wait. Messages only make this quicker: work whose
 * message was lost is found by its row, as work of a process that has ended is.
 */
import { LRUCache } from 'lru-cache'
import type { Bus } from '../bus/bus.ts'
import type { Clock } from '../clock.ts'
import { makeBorrowedPlaces } from './borrowed-places.ts'
import { PLACE_KINDS, type Place, type PlacedWork, type PlaceKind, placeKey, placeMessages } from './place.ts'
import type { Partition } from './queue.ts'

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
  /** Its lender was gone by the time it was committed: nobody knows of it, and whoever took over from him may have come too early. */
  orphaned(work: T): void
  /** Messages may have been lost: there may be work for this process that it has not heard of. */
  onDoubt(): void
  readonly onError: (error: unknown, id: string) => void
}

/** A place and how to give it back, if there is one. */
type Reserve = () => (() => void) | undefined

export interface LentPlaces<T> {
  /** A place in another process, if one was lent to this one; otherwise one is asked for, for the next time. */
  take(partition: Partition, tenantId: string): Place<T> | undefined
  /** Lends places of this process from now on, as far as `reserve` has any, and spare ones beyond its `concurrency`. */
  lend(partition: Partition, concurrency: number, reserve: Reserve): void
  /** All places of this process are taken: what is lent and not used comes back, and only spare ones are lent for a while. */
  full(partition: Partition): void
  /** That work is not begun here any more: should the message that hands it over still come, it comes too late. */
  refuse(id: string): void
  /** Lends no more. */
  stop(): void
}

/** Who was full a moment ago lends nothing: there may be others in the queue. */
const CALM_MS = 250
/** Places for one question. */
const LEND_MAX = 50
/** A borrower that has used no place for so long loses them to one that wants some. */
const IDLE_MS = 250
const BORROWERS_MAX = 1000
/** Of so many places there is one more to spare. */
const PLACES_PER_SPARE = 10
/** Spare places that one lender lends to one borrower. */
const SPARES_EACH = 1
/** Work is handed over once. A wire may bring a message twice when a connection broke, and long after it was sent. */
const SEEN_MAX = 10_000

export const makeLentPlaces = <T extends PlacedWork>(options: LentPlacesOptions<T>): LentPlaces<T> => {
  const { bus, clock, workerId, topic, read, run, orphaned, onDoubt, onError } = options
  const { WANTED, LENT, REVOKED, FORGOTTEN, START } = placeMessages(topic)
  const borrowed = makeBorrowedPlaces({ bus, clock, topic, orphaned })

  const reserves = new Map<Partition, Record<PlaceKind, Reserve>>()
  const fullMs = new Map<Partition, number>()
  /** Work that has arrived, or is refused when it does. */
  const seen = new LRUCache<string, 'arrived' | 'refused'>({ max: SEEN_MAX })
  /** By borrower: how to get back what he does not use. */
  const lent = new Map<string, Map<string, (() => void)[]>>()

  const mayLend = (partition: Partition, kind: PlaceKind): boolean => {
    if (!reserves.has(partition)) return false
    return kind === 'spares' || clock.now() - (fullMs.get(partition) ?? Number.NEGATIVE_INFINITY) >= CALM_MS
  }

  const lendTo = (borrower: string, partition: Partition, kind: PlaceKind, places: readonly (() => void)[]): void => {
    if (places.length === 0) return
    const key = placeKey(partition, kind)
    const borrowers = lent.get(key) ?? new Map<string, (() => void)[]>()
    lent.set(key, borrowers)
    borrowers.set(borrower, [...(borrowers.get(borrower) ?? []), ...places])
    bus.send(borrower, LENT, [partition, kind, places.length])
  }

  const takeBack = (key: string, borrower: string): void => {
    const places = lent.get(key)?.get(borrower) ?? []
    lent.get(key)?.delete(borrower)
    for (const giveBack of places) giveBack()
  }

  const revoke = (key: string, borrower: string): void => {
    takeBack(key, borrower)
    bus.send(borrower, REVOKED, key)
  }

  const takeAllBack = (key: string): void => {
    for (const borrower of [...(lent.get(key)?.keys() ?? [])]) revoke(key, borrower)
  }

  /** When a borrower last used a place. */
  const usedMs = new LRUCache<string, number>({ max: BORROWERS_MAX })

  /** Who has used none for a moment makes room for who wants some. */
  const revokeFromIdle = (key: string, asker: string): void => {
    for (const borrower of [...(lent.get(key)?.keys() ?? [])]) {
      const idleMs = clock.now() - (usedMs.get(borrower) ?? Number.NEGATIVE_INFINITY)
      if (borrower !== asker && idleMs >= IDLE_MS) revoke(key, borrower)
    }
  }

  const reserveUpTo = (partition: Partition, kind: PlaceKind, count: number): (() => void)[] => {
    const places: (() => void)[] = []
    while (places.length < count && mayLend(partition, kind)) {
      const giveBack = reserves.get(partition)?.[kind]()
      if (!giveBack) break
      places.push(giveBack)
    }
    return places
  }

  bus.on(WANTED, (message, from) => {
    const [partition, count] = message as [Partition, number]
    // Its last words: nobody would give back what it is lent.
    if (!bus.knows(from)) return
    const wanted = Math.min(count, LEND_MAX)
    const places = reserveUpTo(partition, 'places', wanted)
    if (places.length < wanted && mayLend(partition, 'places')) {
      revokeFromIdle(placeKey(partition, 'places'), from)
      places.push(...reserveUpTo(partition, 'places', wanted - places.length))
    }
    lendTo(from, partition, 'places', places)
    const spares = lent.get(placeKey(partition, 'spares'))?.get(from)?.length ?? 0
    lendTo(from, partition, 'spares', reserveUpTo(partition, 'spares', SPARES_EACH - spares))
  })

  bus.on(START, (message, from) => {
    const [partition, kind, id, text] = message as [Partition, PlaceKind, string, string?]
    usedMs.set(from, clock.now())
    const known = seen.get(id)
    if (known === 'arrived') return
    seen.set(id, 'arrived')
    // Without one it was taken back while the work was on its way, which is done all the same: it is committed.
    let giveBack = lent.get(placeKey(partition, kind))?.get(from)?.pop()
    const free = (): void => {
      const place = giveBack
      giveBack = undefined
      if (!place) return
      if (mayLend(partition, kind) && bus.knows(from)) lendTo(from, partition, kind, [place])
      else place()
    }
    if (known === 'refused') {
      free()
      return
    }
    if (text !== undefined) {
      run(JSON.parse(text) as T, free, from)
      return
    }
    read(id)
      .then((work) => (work?.workerId === workerId ? run(work, free, from) : free()))
      .catch((error: unknown) => {
        free()
        onError(error, id)
      })
  })

  bus.onLeft((peer) => {
    borrowed.forget(peer)
    for (const key of lent.keys()) takeBack(key, peer)
  })
  // Messages may have been lost: both sides begin anew, also where only one of them has noticed.
  bus.onGap(() => {
    borrowed.forgetAll()
    for (const [key, borrowers] of lent) for (const borrower of [...borrowers.keys()]) takeBack(key, borrower)
    bus.broadcast(FORGOTTEN, null)
    onDoubt()
  })
  bus.on(FORGOTTEN, (_, from) => {
    const hadLent = borrowed.forget(from)
    // What was lent while this was on its way is forgotten too, on both sides.
    for (const [key, borrowers] of lent) if (borrowers.has(from)) revoke(key, from)
    if (hadLent) bus.send(from, FORGOTTEN, null)
    onDoubt()
  })

  return {
    take: borrowed.take,
    lend(partition, concurrency, reserve) {
      let spares = Math.floor(concurrency / PLACES_PER_SPARE)
      const reserveSpare: Reserve = () => {
        if (spares === 0) return undefined
        spares--
        return () => void spares++
      }
      reserves.set(partition, { places: reserve, spares: reserveSpare })
    },
    full(partition) {
      fullMs.set(partition, clock.now())
      takeAllBack(placeKey(partition, 'places'))
    },
    refuse: (id) => void seen.set(id, 'refused'),
    stop() {
      for (const partition of [...reserves.keys()]) {
        reserves.delete(partition)
        for (const kind of PLACE_KINDS) takeAllBack(placeKey(partition, kind))
      }
    },
  }
}
