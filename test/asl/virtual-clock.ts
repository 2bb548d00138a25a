/** Time that only passes when nothing else can happen. */

export interface VirtualClock {
  now(): number
  sleepUntil(atMs: number): Promise<void>
  /** Lets everything settle, then moves on to the next sleeper, until the promise has an answer or nobody sleeps any more. */
  drive<T>(work: Promise<T>, onIdle?: () => void): Promise<T | undefined>
}

export const makeVirtualClock = (startMs: number): VirtualClock => {
  let nowMs = startMs
  let count = 0
  const sleepers: { atMs: number; order: number; wake: () => void }[] = []
  return {
    now: () => nowMs,
    sleepUntil: (atMs) =>
      new Promise((wake) => {
        sleepers.push({ atMs, order: count++, wake })
        sleepers.sort((a, b) => a.atMs - b.atMs || a.order - b.order)
      }),
    async drive(work, onIdle) {
      let ended = false
      const answer = work.finally(() => {
        ended = true
      })
      answer.catch(() => undefined)
      let idled = false
      for (;;) {
        await new Promise((resolve) => setImmediate(resolve))
        if (ended) return answer
        if (!idled && onIdle) {
          idled = true
          onIdle()
          continue
        }
        const next = sleepers.shift()
        if (!next) return undefined
        nowMs = Math.max(nowMs, next.atMs)
        next.wake()
      }
    },
  }
}
