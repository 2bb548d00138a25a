/** A first-come-first-served lock within the process. */

export interface Lock {
  /** Waits for the lock; the returned function gives it back. */
  acquire(): Promise<() => void>
  /** Takes the lock at once, or returns undefined when it is held. */
  tryAcquire(): (() => void) | undefined
}

export const makeLock = (): Lock => {
  let held = false
  const waiting: ((release: () => void) => void)[] = []
  const makeRelease = (): (() => void) => {
    let released = false
    return () => {
      if (released) return
      released = true
      const next = waiting.shift()
      if (next) next(makeRelease())
      else held = false
    }
  }
  const tryAcquire = (): (() => void) | undefined => {
    if (held) return undefined
    held = true
    return makeRelease()
  }
  return {
    tryAcquire,
    acquire() {
      const release = tryAcquire()
      return release ? Promise.resolve(release) : new Promise((resolve) => waiting.push(resolve))
    },
  }
}
