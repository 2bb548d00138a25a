/** Where the other files here hang their clean-up: on a test, or on the whole file. */
import { after } from 'node:test'

/** Any `TestContext` is one. */
export interface Cleanup {
  after(fn: () => void | Promise<void>): void
}

const ofFile: (() => void | Promise<void>)[] = []

// On import, for there is no later moment: `after` called while a test runs, or a `before` for it, ends with that test.
after(async () => {
  for (const clean of ofFile.reverse()) await clean()
})

/** Cleans up after the last test of the file, in reverse order: what was made first goes last. */
export const wholeFile: Cleanup = { after: (fn) => void ofFile.push(fn) }
