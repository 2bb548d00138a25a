/** Waiting in tests for what comes about in its own time. */

/** Not a measure of anything: a busy machine is to fail no test. */
export const PATIENCE_MS = 30_000
const EVERY_MS = 5

/**
 * Looks again until it finds something (neither undefined nor false), and returns that. Rejects after `limitMs`, naming what was
 * waited for, and at once when the look itself fails.
 */
export const until = async <T>(
  what: string,
  look: () => T | Promise<T>,
  { limitMs = PATIENCE_MS, everyMs = EVERY_MS } = {},
): Promise<Exclude<T, undefined | false>> => {
  const deadlineMs = performance.now() + limitMs
  for (;;) {
    const found = await look()
    if (found !== undefined && found !== false) return found as Exclude<T, undefined | false>
    if (performance.now() > deadlineMs) throw new Error(`waited ${limitMs} ms in vain for: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, everyMs))
  }
}
