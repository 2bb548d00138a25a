/**
 * Acts on what falls due in the database: sleeps until the next moment that a row names, with a slow look as safety net. One process
 * sweeps for all; in the others `soon` tells that one.
 */
import type { Bus } from '../platform/bus/bus.ts'
import type { Clock } from '../platform/clock.ts'

export interface SweeperOptions {
  /** The same in every process. */
  readonly name: string
  readonly bus: Bus
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
  /** Something new falls due at that moment, or at once: whoever sweeps looks then. */
  soon(atMs?: number): void
  stop(): void
}

/** Rows that fall due within so short a time are swept together. */
const SHORTEST_MS = 10

export const makeSweeper = (options: SweeperOptions): Sweeper => {
  const { name, bus, clock, nextAt, sweep, onError, slowMs = 10_000 } = options
  const topic = `sweep:${name}`
  let disarm = (): void => {}
  let armedForMs = Number.POSITIVE_INFINITY
  /** What is to be told to another process, together with what comes within the same short time. */
  let tellMs = Number.POSITIVE_INFINITY
  let running = false
  let stopped = true

  const arm = (atMs: number): void => {
    if (stopped || armedForMs <= atMs) return
    disarm()
    armedForMs = atMs
    // During a sweep the moment is kept: it is armed for when the sweep is over.
    if (!running) disarm = clock.after(atMs - clock.now(), () => void look())
  }

  const look = async (): Promise<void> => {
    running = true
    armedForMs = Number.POSITIVE_INFINITY
    let nextMs = clock.now() + slowMs
    try {
      // One moment for both: what falls due while the sweep is at work is next, not missed.
      const nowMs = clock.now()
      await sweep(nowMs)
      const next = await nextAt(nowMs)
      if (next !== undefined) nextMs = Math.min(nextMs, Math.max(next, clock.now() + SHORTEST_MS))
    } catch (error) {
      onError(error)
      nextMs = clock.now() + 1000
    } finally {
      running = false
    }
    const atMs = Math.min(nextMs, armedForMs)
    armedForMs = Number.POSITIVE_INFINITY
    arm(atMs)
  }

  const tell = (): void => {
    bus.broadcast(topic, tellMs)
    tellMs = Number.POSITIVE_INFINITY
  }

  const soon = (givenMs = 0): void => {
    const atMs = Math.max(givenMs, clock.now() + SHORTEST_MS)
    if (!stopped) {
      arm(atMs)
      return
    }
    if (!bus.isShared || givenMs > clock.now() + slowMs) return
    if (tellMs === Number.POSITIVE_INFINITY) clock.after(SHORTEST_MS, tell)
    tellMs = Math.min(tellMs, atMs)
  }

  bus.on(topic, (atMs) => {
    if (!stopped) arm(Math.max(atMs as number, clock.now() + SHORTEST_MS))
  })
  bus.onGap(() => arm(clock.now() + SHORTEST_MS))

  return {
    async start() {
      if (!stopped) return
      stopped = false
      if (!running) await look()
    },
    soon,
    stop() {
      stopped = true
      disarm()
      armedForMs = Number.POSITIVE_INFINITY
    },
  }
}
