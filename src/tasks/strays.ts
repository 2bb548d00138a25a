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
  stop(): void
}

const EVERY_MS = 5000

export const makeStrayWatch = <T extends { readonly id: string; readonly fence: number }>(
  options: StrayWatchOptions<T>,
): StrayWatch => {
  const { clock, held, isKnown, giveUp, onError } = options
  let missed: ReadonlySet<string> = new Set()
  let disarm = (): void => {}
  let isStopped = false

  const keyOf = ({ id, fence }: T): string => `${id}:${fence}`

  /** One that was just taken is missing for a moment: only what is missing twice, under the same fence, is a stray. */
  const look = async (): Promise<void> => {
    const missing = (await held()).filter(({ id }) => !isKnown(id))
    const strays = missing.filter((task) => missed.has(keyOf(task)))
    missed = new Set(missing.map(keyOf))
    for (const task of strays) await giveUp(task)
  }

  const arm = (): void => {
    disarm = clock.after(EVERY_MS, () => {
      look()
        .catch(onError)
        .finally(() => {
          if (!isStopped) arm()
        })
    })
  }

  return {
    start: arm,
    stop() {
      isStopped = true
      disarm()
    },
  }
}
