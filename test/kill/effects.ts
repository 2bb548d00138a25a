/** Side effects as a file of lines: what was done in the world outside, which no rollback takes back. */
import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs'

export interface Effect {
  /** Name of the step or task. */
  readonly step: string
  readonly idempotencyKey: string
  readonly pid: number
  readonly value: string
}

/** Appends a line that is on the disk when this returns. */
export const appendEffect = (file: string, effect: Effect): void => {
  const handle = openSync(file, 'a')
  try {
    // In one write, so that a kill leaves the line whole or not at all.
    writeSync(handle, `${JSON.stringify(effect)}\n`)
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}

/** All effects so far, in order; none when there is no file yet. */
export const readEffects = (file: string): Effect[] => {
  try {
    const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1)
    return lines.map((line) => JSON.parse(line) as Effect)
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENOENT') return []
    throw error
  }
}
