/** Rate limits of one process, in memory. Bounded: the keys asked for longest ago are forgotten. */
import { LRUCache } from 'lru-cache'
import type { Clock } from '../clock.ts'
import { type RateDecision, type RateLimiter, type RatePolicy, SLOTS, slotMsOf } from './rate-limiter.ts'

interface Window {
  /** Uses by slot number modulo its length. */
  readonly slots: Uint32Array
  newest: number
  total: number
}

const KEPT = SLOTS + 1

export interface MemoryLimiterOptions {
  readonly clock: Pick<Clock, 'now'>
  readonly maxKeys?: number
}

/** Lets go of the slots that have left the window. */
const advance = (window: Window, slot: number): void => {
  const gone = Math.min(slot - window.newest, KEPT)
  for (let i = 1; i <= gone; i++) {
    const at = (window.newest + i) % KEPT
    window.total -= window.slots[at]!
    window.slots[at] = 0
  }
  window.newest = Math.max(window.newest, slot)
}

/** The oldest slot in use. */
const oldest = ({ slots, newest }: Window): number => {
  for (let slot = Math.max(0, newest - SLOTS); slot < newest; slot++) if (slots[slot % KEPT]! > 0) return slot
  return newest
}

export const makeMemoryLimiter = ({ clock, maxKeys = 50_000 }: MemoryLimiterOptions): RateLimiter => {
  const windows = new LRUCache<string, Window>({ max: maxKeys })
  const take = (key: string, policy: RatePolicy): RateDecision => {
    const nowMs = clock.now()
    const slotMs = slotMsOf(policy)
    const slot = Math.floor(nowMs / slotMs)
    // Another length of the window is another window.
    const name = `${slotMs}:${key}`
    let window = windows.get(name)
    if (!window) {
      window = { slots: new Uint32Array(KEPT), newest: slot, total: 0 }
      windows.set(name, window)
    }
    advance(window, slot)
    if (window.total >= policy.limit) {
      return { isAllowed: false, remaining: 0, resetMs: Math.max(1, (oldest(window) + KEPT) * slotMs - nowMs) }
    }
    window.slots[window.newest % KEPT]! += 1
    window.total++
    return { isAllowed: true, remaining: policy.limit - window.total, resetMs: policy.windowMs }
  }
  return { take }
}
