/** The window in memory, for one process. */
import type { Clock } from '../clock.ts'
import type { Partition } from './queue.ts'
import {
  type Entrant,
  type Entry,
  type Inside,
  type Limits,
  OVERFLOW,
  PLACES_KEPT_MS,
  type Rate,
  REFILL_LOCK_MS,
  ROUNDING_MS,
  rankOf,
  TENANT_SHARE,
  type Window,
} from './window.ts'

interface Held extends Inside {
  readonly keyName: string | undefined
}

/** Arrival times beyond these are looked through for those that are past. */
const ARRIVALS_MAX = 10_000

/** The generic cell rate algorithm: when the next of a name may come, were there no burst. */
const makeRates = (clock: Clock) => {
  const arrivals = new Map<string, number>()
  /** Not later than this rate could make it: it may have been a slower one. */
  const nextOf = (name: string, periodMs: number): number => {
    const known = arrivals.get(name) ?? 0
    const latest = clock.now() + periodMs
    if (known > latest) arrivals.set(name, latest)
    return Math.min(Math.max(known, clock.now()), latest)
  }
  return {
    /** How long until one more is within the rate; 0: now. */
    waitMs: (name: string, { count, periodMs }: Rate): number =>
      Math.max(0, Math.ceil(nextOf(name, periodMs) + periodMs / count - periodMs - clock.now() - ROUNDING_MS)),
    arrive(name: string, { count, periodMs }: Rate): void {
      arrivals.set(name, nextOf(name, periodMs) + periodMs / count)
      if (arrivals.size <= ARRIVALS_MAX) return
      for (const [known, ms] of arrivals) if (ms < clock.now()) arrivals.delete(known)
    },
  }
}

const change = (counts: Map<string, number>, name: string, by: number): void => {
  const count = (counts.get(name) ?? 0) + by
  if (count > 0) counts.set(name, count)
  else counts.delete(name)
}

const makePartition = (clock: Clock, windowSize: number) => {
  const inside = new Map<string, Held>()
  const tenants = new Map<string, number>()
  const keys = new Map<string, number>()
  const workers = new Map<string, { readonly places: number; readonly untilMs: number }>()
  const rates = makeRates(clock)
  /** Names at a limit for which somebody waits. */
  const limited = new Set<string>()
  let hasBacklog = false
  let refillUntilMs = 0
  let isAsked = false

  const allPlaces = (): number => {
    let sum = 0
    for (const [id, { places, untilMs }] of workers) {
      if (untilMs < clock.now()) workers.delete(id)
      else sum += places
    }
    return sum
  }
  const isRefilling = (): boolean => refillUntilMs > clock.now()
  const isLow = (): boolean => hasBacklog && inside.size <= allPlaces() + windowSize / 2

  const enter = (entrant: Entrant, isRefill: boolean, places: number): Entry => {
    const { id, tenantId, key, weight, limits, keyLimits } = entrant
    const underWay = tenants.get(tenantId) ?? 0
    const keyName = key === undefined ? undefined : `${tenantId}/${key}`
    const rank = rankOf(underWay, weight, places, tenants.size + (underWay === 0 ? 1 : 0))
    if (inside.has(id)) return { rank, isNew: false }
    const checks: [string, number, Limits][] = [[tenantId, underWay, limits]]
    if (keyName !== undefined) checks.push([keyName, keys.get(keyName) ?? 0, keyLimits])
    for (const [name, count, { concurrency }] of checks) {
      if (concurrency === undefined || count < concurrency) continue
      limited.add(name)
      return { refused: 'limit' }
    }
    const hasRoom = inside.size < windowSize + places && (isRefill || !hasBacklog)
    const isPoor =
      underWay < Math.max(1, windowSize * TENANT_SHARE) && inside.size < windowSize * (1 + OVERFLOW) + places
    if (!hasRoom && !isPoor) {
      hasBacklog = true
      return { refused: 'full' }
    }
    const againInMs = Math.max(...checks.map(([name, , { rate }]) => (rate ? rates.waitMs(name, rate) : 0)))
    if (againInMs > 0) return { refused: 'rate', againInMs }
    for (const [name, , { rate }] of checks) if (rate) rates.arrive(name, rate)
    inside.set(id, { tenantId, key, keyName, enteredMs: clock.now() })
    change(tenants, tenantId, 1)
    if (keyName !== undefined) change(keys, keyName, 1)
    return { rank, isNew: true }
  }

  const leave = (ids: readonly string[]): boolean => {
    let isAwaited = false
    for (const id of ids) {
      const held = inside.get(id)
      if (!held) continue
      inside.delete(id)
      change(tenants, held.tenantId, -1)
      if (limited.delete(held.tenantId)) isAwaited = true
      if (held.keyName === undefined) continue
      change(keys, held.keyName, -1)
      if (limited.delete(held.keyName)) isAwaited = true
    }
    if (!isRefilling()) return isAwaited || isLow()
    if (isAwaited) isAsked = true
    return false
  }

  return {
    enter(entrants: readonly Entrant[], isRefill: boolean): Entry[] {
      const places = allPlaces()
      return entrants.map((entrant) => enter(entrant, isRefill, places))
    },
    leave,
    inside,
    room: () => Math.max(0, windowSize + allPlaces() - inside.size),
    setPlaces(workerId: string, places: number) {
      workers.set(workerId, { places, untilMs: clock.now() + PLACES_KEPT_MS })
    },
    begin() {
      if (isRefilling()) {
        isAsked = true
        return false
      }
      refillUntilMs = clock.now() + REFILL_LOCK_MS
      isAsked = false
      // Whoever is refused from now on says so again.
      hasBacklog = false
      return true
    },
    end(isDrained: boolean) {
      refillUntilMs = 0
      if (!isDrained) hasBacklog = true
      return isAsked || isLow()
    },
  }
}

export const makeLocalWindow = (options: { readonly clock: Clock; readonly windowSize: number }): Window => {
  const partitions = new Map<Partition, ReturnType<typeof makePartition>>()
  const of = (name: Partition) => {
    const partition = partitions.get(name) ?? makePartition(options.clock, options.windowSize)
    partitions.set(name, partition)
    return partition
  }
  return {
    enter: async (partition, entrants, isRefill) => of(partition).enter(entrants, isRefill),
    leave: async (partition, ids) => of(partition).leave(ids),
    beginRefill: async (partition) => of(partition).begin(),
    endRefill: async (partition, isDrained) => of(partition).end(isDrained),
    inside: async (partition) => of(partition).inside,
    room: async (partition) => of(partition).room(),
    setPlaces: async (partition, workerId, places) => of(partition).setPlaces(workerId, places),
  }
}
