/**
 * Compares what this process does with what it holds by the rows. Finds strays: work that it holds and does not know of, because the answer
 * to the commit that took it, or the message that brought it, was lost; the process lives, so nobody else would ever take the work over.
 * And ghosts: work that it does and holds no more, because it was ended elsewhere and the message of that was lost or came too early.
 */
import type { Clock } from './clock.ts'

export interface StrayWatchOptions<T> {
  readonly clock: Clock
  readonly everyMs: number
  /** What this process holds by the rows. */
  held(): Promise<readonly T[]>
  isKnown(held: T): boolean
  /** Names one holding of a thing: taken anew, it has another. */
  keyOf(thing: T): string
  giveUp(stray: T): Promise<void> | void
  /** What this process does; left out where doing it in vain takes nothing from anybody. */
  atWork?(): readonly T[]
  letGo?(ghost: T): void
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
  let unheld: ReadonlySet<string> = new Set()
  let disarm = (): void => {}
  let isStopped = true
  let isLooking = false
  let soonLeft = 0

  /** What was just taken, or has just ended, is on one side only for a moment: what counts is what was so at two looks. */
  const look = async (): Promise<void> => {
    const atWork = options.atWork?.() ?? []
    const held = await options.held()
    const heldKeys = new Set(held.map(keyOf))
    const missing = held.filter((each) => !options.isKnown(each))
    const alone = atWork.filter((each) => !heldKeys.has(keyOf(each)))
    const strays = missing.filter((each) => missed.has(keyOf(each)))
    const ghosts = alone.filter((each) => unheld.has(keyOf(each)))
    missed = new Set(missing.map(keyOf))
    unheld = new Set(alone.map(keyOf))
    for (const ghost of ghosts) options.letGo?.(ghost)
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
