/** The window in memory, for one process. */
import type { Clock } from '../clock.ts'
import type { Partition } from './queue.ts'
import {
  type Entrant,
  type Entry,
  type Inside,
  type Limits,
  OVERFLOW,
  type Rate,
  rankOf,
  TENANT_SHARE,
  type Window,
} from './window.ts'

interface Held extends Inside {
  readonly keyName: string | undefined
}

const makePartition = (clock: Clock, windowSize: number) => {
  const inside = new Map<string, Held>()
  const counts = new Map<string, number>()
  const tenants = new Map<string, number>()
  /** When the next of a rate-limited name may enter, were there no burst (the GCRA's theoretical arrival time). */
  const arrivals = new Map<string, number>()
  const limited = new Set<string>()
  let places = 0
  let hasBacklog = false
  let isRefilling = false

  const change = (map: Map<string, number>, name: string, by: number): void => {
    const count = (map.get(name) ?? 0) + by
    if (count > 0) map.set(name, count)
    else map.delete(name)
  }

  /** How long until one more is within the rate; 0: now. */
  const waitMs = (name: string, { count, periodMs }: Rate): number => {
    const stepMs = periodMs / count
    const arrivalMs = Math.max(arrivals.get(name) ?? 0, clock.now())
    return Math.max(0, Math.ceil(arrivalMs + stepMs - periodMs - clock.now()))
  }

  const arrive = (name: string, { count, periodMs }: Rate): void => {
    const atMs = Math.max(arrivals.get(name) ?? 0, clock.now()) + periodMs / count
    arrivals.set(name, atMs)
    if (arrivals.size > 10_000) for (const [known, ms] of arrivals) if (ms < clock.now()) arrivals.delete(known)
  }

  const enter = (entrant: Entrant, isRefill: boolean): Entry => {
    const { id, tenantId, key, weight, limits, keyLimits } = entrant
    const underWay = tenants.get(tenantId) ?? 0
    const keyName = key === undefined ? undefined : `${tenantId}/${key}`
    const rank = rankOf(underWay, weight, places, tenants.size + (underWay === 0 ? 1 : 0))
    if (inside.has(id)) return { rank, isNew: false }
    const checks: [string, number, Limits][] = [[tenantId, underWay, limits]]
    if (keyName !== undefined) checks.push([keyName, counts.get(keyName) ?? 0, keyLimits])
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
    const againInMs = Math.max(...checks.map(([name, , { rate }]) => (rate ? waitMs(name, rate) : 0)))
    if (againInMs > 0) return { refused: 'rate', againInMs }
    for (const [name, , { rate }] of checks) if (rate) arrive(name, rate)
    inside.set(id, { tenantId, keyName, enteredMs: clock.now() })
    change(tenants, tenantId, 1)
    if (keyName !== undefined) change(counts, keyName, 1)
    return { rank, isNew: true }
  }

  const leave = (ids: readonly string[]): boolean => {
    let isAwaited = false
    for (const id of ids) {
      const held = inside.get(id)
      if (!held) continue
      inside.delete(id)
      change(tenants, held.tenantId, -1)
      if (held.keyName !== undefined) change(counts, held.keyName, -1)
      if (limited.delete(held.tenantId) || (held.keyName !== undefined && limited.delete(held.keyName)))
        isAwaited = true
    }
    return (isAwaited || (hasBacklog && inside.size <= places + windowSize / 2)) && !isRefilling
  }

  return {
    enter,
    leave,
    inside,
    room: () => Math.max(0, windowSize + places - inside.size),
    setPlaces(count: number) {
      places = count
    },
    begin() {
      if (isRefilling) return false
      isRefilling = true
      hasBacklog = false
      return true
    },
    end(isDrained: boolean) {
      isRefilling = false
      if (!isDrained) hasBacklog = true
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
    enter: async (partition, entrants, isRefill) => entrants.map((entrant) => of(partition).enter(entrant, isRefill)),
    leave: async (partition, ids) => of(partition).leave(ids),
    beginRefill: async (partition) => of(partition).begin(),
    endRefill: async (partition, isDrained) => of(partition).end(isDrained),
    inside: async (partition) => of(partition).inside,
    room: async (partition) => of(partition).room(),
    setPlaces: async (partition, _, places) => of(partition).setPlaces(places),
  }
}
