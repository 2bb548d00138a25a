/**
 * Finds strays: work that this process holds by its row and does not know of, because the answer to the commit that took it, or the message
 * that brought it, was lost. The process lives, so nobody else would ever take the work over.
 */
import type { Clock } from './clock.ts'

export interface StrayWatchOptions<T> {
  readonly clock: Clock
  readonly everyMs: number
  /** What this process holds by the rows, and not in memory. */
  missing(): Promise<readonly T[]>
  /** Names one holding of a thing: taken anew, it has another. */
  keyOf(stray: T): string
  giveUp(stray: T): Promise<void> | void
  readonly onError: (error: unknown) => void
}

export interface StrayWatch {
  start(): void
  /** Messages may have been lost: it looks sooner than it would. */
  soon(): void
  stop(): void
}

/** When it has reason to look. */
const SOON_MS = 1000
const SOON_LOOKS = 2

export const makeStrayWatch = <T>(options: StrayWatchOptions<T>): StrayWatch => {
  const { clock, everyMs, keyOf, giveUp, onError } = options
  let missed: ReadonlySet<string> = new Set()
  let disarm = (): void => {}
  let isStopped = true
  let isLooking = false
  let soonLeft = 0

  /** What was just taken is missing for a moment: only what is missing twice is a stray. */
  const look = async (): Promise<void> => {
    const missing = await options.missing()
    const strays = missing.filter((each) => missed.has(keyOf(each)))
    missed = new Set(missing.map(keyOf))
    for (const stray of strays) await giveUp(stray)
  }

  const arm = (): void => {
    disarm()
    const isSoon = soonLeft > 0
    disarm = clock.after(isSoon ? SOON_MS : everyMs, () => {
      if (isSoon) soonLeft--
      isLooking = true
      look()
        .catch(onError)
        .finally(() => {
          isLooking = false
          if (!isStopped) arm()
        })
    })
  }

  return {
    start() {
      isStopped = false
      arm()
    },
    soon() {
      if (isStopped) return
      const isArmed = soonLeft > 0
      soonLeft = SOON_LOOKS
      if (!isArmed && !isLooking) arm()
    },
    stop() {
      isStopped = true
      disarm()
    },
  }
}
