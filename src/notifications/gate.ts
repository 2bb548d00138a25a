/**
 * How many calls of one channel may be under way at a time in this process, so that a receiver that does not answer cannot take
 * the places of all others: a healthy one may have half of them, one that is slow or has just failed a few.
 */
import { LRUCache } from 'lru-cache'

export interface Gate {
  /** Takes a place for a call; undefined when the channel has as many as it may. The returned function gives it back. */
  enter(channelId: string): ((isAlive: boolean) => void) | undefined
}

export interface GateOptions {
  readonly now: () => number
  /** Of this process, for all channels. */
  readonly places: number
}

interface Calls {
  /** When each began. */
  readonly begunMs: Set<{ readonly atMs: number }>
  isSuspect: boolean
}

/** A call that takes longer makes its receiver a slow one. */
const SLOW_MS = 1000
const PLACES_OF_SLOW = 3
const CHANNELS_KEPT = 10_000

export const makeGate = ({ now, places }: GateOptions): Gate => {
  const channels = new LRUCache<string, Calls>({ max: CHANNELS_KEPT })
  const most = Math.max(1, Math.floor(places / 2))
  const allowed = ({ begunMs, isSuspect }: Calls): number => {
    // A set keeps the order of its making: the first is the oldest.
    const [oldest] = begunMs
    const isSlow = oldest !== undefined && now() - oldest.atMs > SLOW_MS
    return isSuspect || isSlow ? Math.min(PLACES_OF_SLOW, most) : most
  }
  return {
    enter(channelId) {
      const calls = channels.get(channelId) ?? { begunMs: new Set(), isSuspect: false }
      if (calls.begunMs.size >= allowed(calls)) return undefined
      const call = { atMs: now() }
      calls.begunMs.add(call)
      channels.set(channelId, calls)
      return (isAlive) => {
        calls.begunMs.delete(call)
        calls.isSuspect = !isAlive
        if (calls.begunMs.size === 0 && isAlive) channels.delete(channelId)
      }
    },
  }
}
