/** The part of node:test's contexts that the other files here need: somewhere to hang the clean-up. */

/** A `TestContext`, or node:test's own `{ after }` for what a whole file shares. */
export interface Cleanup {
  after(fn: () => void | Promise<void>): void
}
