/** Runs several branches at once, at most so many at a time, and stops them all when one fails. */
import { BranchStopped } from './errors.ts'

export interface BranchOptions {
  /** How many there are; without end when `start` says so by itself. */
  readonly count: number
  readonly concurrency: number
  /** The signal of the branch that starts these. */
  readonly parent: AbortSignal | undefined
  /** Runs one branch. What it rejects with ends all of them. `false` says that there was nothing left to run. */
  start(index: number, signal: AbortSignal): Promise<unknown>
}

/**
 * Resolves when all have ended; rejects with the first failure, at once: the others are told by their signal and not
 * waited for. Branches start in order of their index, so that a replay meets them in the same order.
 */
export const runBranches = async ({ count, concurrency, parent, start }: BranchOptions): Promise<void> => {
  if (count === 0) return
  if (parent?.aborted) throw new BranchStopped()
  const stop = new AbortController()
  const onParent = (): void => stop.abort()
  parent?.addEventListener('abort', onParent, { once: true })
  let next = 0
  let exhausted = false
  const lane = async (): Promise<void> => {
    while (next < count && !exhausted && !stop.signal.aborted) {
      if ((await start(next++, stop.signal)) === false) exhausted = true
    }
    if (stop.signal.aborted) throw new BranchStopped()
  }
  try {
    await new Promise<void>((resolve, reject) => {
      let open = Math.min(Math.max(concurrency, 1), count)
      const onEnd = (): void => {
        if (--open === 0) resolve()
      }
      for (let i = open; i > 0; i--) lane().then(onEnd, reject)
    })
  } finally {
    parent?.removeEventListener('abort', onParent)
    stop.abort()
  }
}
