/** Acts on what falls due in the database: sleeps until the next moment that a row names, with a slow look as safety net. */
import type { Clock } from '../platform/clock.ts'

export interface SweeperOptions {
  readonly clock: Clock
  /** The earliest moment after `nowMs` at which something falls due. */
  nextAt(nowMs: number): Promise<number | undefined>
  sweep(nowMs: number): Promise<void>
  readonly onError: (error: unknown) => void
  /** The longest time between two looks. */
  readonly slowMs?: number
}

export interface Sweeper {
  /** The first sweep, and from then on by itself. */
  start(): Promise<void>
  /** Something new falls due: look again. */
  soon(): void
  stop(): void
}

/** Rows that fall due within so short a time are swept together. */
const SHORTEST_MS = 10

export const makeSweeper = ({ clock, nextAt, sweep, onError, slowMs = 10_000 }: SweeperOptions): Sweeper => {
  let disarm = (): void => {}
  let running = false
  let again = false
  let stopped = true

  const arm = (waitMs: number): void => {
    disarm()
    if (!stopped) disarm = clock.after(waitMs, () => void look())
  }

  const look = async (): Promise<void> => {
    if (running) {
      again = true
      return
    }
    running = true
    again = false
    let waitMs = slowMs
    try {
      // One moment for both: what falls due while the sweep is at work is next, not missed.
      const nowMs = clock.now()
      await sweep(nowMs)
      const next = await nextAt(nowMs)
      if (next !== undefined) waitMs = Math.min(slowMs, Math.max(next - clock.now(), SHORTEST_MS))
    } catch (error) {
      onError(error)
      waitMs = 1000
    } finally {
      running = false
    }
    arm(again ? SHORTEST_MS : waitMs)
  }

  return {
    async start() {
      stopped = false
      await look()
    },
    soon() {
      if (running) again = true
      else arm(SHORTEST_MS)
    },
    stop() {
      stopped = true
      disarm()
    },
  }
}
