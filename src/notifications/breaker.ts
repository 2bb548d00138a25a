/**
 * Spares receivers that do not answer, and with them everybody else's places: after some failures in a row a channel rests, then
 * one call tries it. Known to this process alone; another one finds out by itself.
 */
import { LRUCache } from 'lru-cache'

export interface Breaker {
  /** How long to leave the channel alone, in milliseconds; 0: call it, and say by `told` how it went. */
  ask(channelId: string): number
  /** The same, but without the promise to call. */
  rests(channelId: string): number
  told(channelId: string, isAlive: boolean): void
}

interface State {
  readonly failures: number
  /** No call before this. */
  readonly untilMs: number
  /** A call that tries it is under way. */
  readonly isTried: boolean
}

/** Failures in a row before the first rest. */
const PATIENCE = 5
const FIRST_REST_MS = 5000
const LONGEST_REST_MS = 60_000
const CHANNELS_KEPT = 10_000

/** `probeMs`: how long the call may take that tries a rested channel; the others wait for it. */
export const makeBreaker = ({ now, probeMs }: { now: () => number; probeMs: number }): Breaker => {
  const states = new LRUCache<string, State>({ max: CHANNELS_KEPT })
  const rests = (channelId: string): number => {
    const state = states.get(channelId)
    return !state || state.failures < PATIENCE ? 0 : Math.max(state.untilMs - now(), 0)
  }
  return {
    rests,
    ask(channelId) {
      const waitMs = rests(channelId)
      const state = states.get(channelId)
      if (state && state.failures >= PATIENCE && waitMs === 0)
        states.set(channelId, { ...state, untilMs: now() + probeMs, isTried: true })
      return waitMs
    },
    told(channelId, isAlive) {
      if (isAlive) {
        states.delete(channelId)
        return
      }
      const before = states.get(channelId)
      // Calls that were under way when the rest began tell nothing new.
      if (before && before.failures >= PATIENCE && !before.isTried && before.untilMs > now()) return
      const failures = (before?.failures ?? 0) + 1
      const restMs = Math.min(FIRST_REST_MS * 2 ** Math.max(failures - PATIENCE, 0), LONGEST_REST_MS)
      states.set(channelId, { failures, untilMs: now() + restMs, isTried: false })
    },
  }
}
