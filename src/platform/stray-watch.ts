/**
 * Finds tasks that this process holds by their rows and does not do: the commit that took them was carried out, and its answer was lost
 * with the connection. Their process lives, so nobody else would ever take them over.
 */
import type { Clock } from '../platform/clock.ts'

export interface StrayWatchOptions<T extends { readonly id: string; readonly fence: number }> {
  readonly clock: Clock
  /** What this process holds by the rows. */
  held(): Promise<readonly T[]>
  /** It is under way here, or its end is on its way into the database. */
  isKnown(taskId: string): boolean
  giveUp(task: T): Promise<void>
  readonly onError: (error: unknown) => void
}

export interface StrayWatch {
  start(): void
  /** Messages may have been lost: it looks sooner than it would. */
  soon(): void
  stop(): void
}

const EVERY_MS = 5000
/** When it has reason to look. */
const SOON_MS = 1000
const SOON_LOOKS = 2

export const makeStrayWatch = <T extends { readonly id: string; readonly fence: number }>(
  options: StrayWatchOptions<T>,
): StrayWatch => {
  const { clock, held, isKnown, giveUp, onError } = options
  let missed: ReadonlySet<string> = new Set()
  let disarm = (): void => {}
  let isStopped = true
  let isLooking = false
  let soonLeft = 0

  const keyOf = ({ id, fence }: T): string => `${id}:${fence}`

  /** One that was just taken is missing for a moment: only what is missing twice, under the same fence, is a stray. */
  const look = async (): Promise<void> => {
    const missing = (await held()).filter(({ id }) => !isKnown(id))
    const strays = missing.filter((task) => missed.has(keyOf(task)))
    missed = new Set(missing.map(keyOf))
    for (const task of strays) await giveUp(task)
  }

  const arm = (): void => {
    disarm()
    const isSoon = soonLeft > 0
    disarm = clock.after(isSoon ? SOON_MS : EVERY_MS, () => {
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
