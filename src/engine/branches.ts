/** Branches of a run that go on side by side: each under an abort signal of its own, so that the losers can be called off. */

export type Branch<T> = (signal: AbortSignal) => Promise<T>

const linked = (parent: AbortSignal): { controller: AbortController; unlink: () => void } => {
  const controller = new AbortController()
  const onAbort = (): void => controller.abort(parent.reason)
  if (parent.aborted) onAbort()
  else parent.addEventListener('abort', onAbort, { once: true })
  return { controller, unlink: () => parent.removeEventListener('abort', onAbort) }
}

/** The reason of a branch's abort signal when it lost. */
export const CALLED_OFF = 'another branch settled first'

/** All results in order, at most `concurrency` branches at a time. The first failure calls off the rest and is thrown. */
export const allBranches = async <T>(
  branches: readonly Branch<T>[],
  concurrency: number,
  parent: AbortSignal,
): Promise<T[]> => {
  const { controller, unlink } = linked(parent)
  const results: T[] = new Array(branches.length)
  let next = 0
  const lane = async (): Promise<void> => {
    while (next < branches.length && !controller.signal.aborted) {
      const index = next++
      results[index] = await branches[index]!(controller.signal)
    }
  }
  const lanes = Array.from({ length: Math.min(concurrency, branches.length) }, lane)
  try {
    await Promise.all(lanes)
    parent.throwIfAborted()
    return results
  } catch (error) {
    controller.abort(CALLED_OFF)
    await Promise.allSettled(lanes)
    throw error
  } finally {
    unlink()
  }
}

/** The first to settle, whichever way; the others are called off. */
export const raceBranches = async <T>(branches: readonly Branch<T>[], parent: AbortSignal): Promise<T> => {
  const { controller, unlink } = linked(parent)
  const started = branches.map((branch) => branch(controller.signal))
  try {
    return await Promise.race(started)
  } finally {
    controller.abort(CALLED_OFF)
    unlink()
    for (const branch of started) branch.catch(() => {})
  }
}
