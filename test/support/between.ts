/** What happens between the reading and the writing of a change, for tests of races. */
import { type Database, decorateDatabase } from '../../src/platform/db/database.ts'

/** A database whose next transaction begins when the work given to `meanwhile` is done: after the next call has read, before it writes. */
export const makeBetween = (
  real: Database,
): { readonly db: Database; meanwhile(work: () => Promise<unknown>): void } => {
  let between: (() => Promise<unknown>) | undefined
  const db = decorateDatabase(real, {
    async transaction(work) {
      const first = between
      between = undefined
      await first?.()
      return real.transaction(work)
    },
  })
  return {
    db,
    meanwhile(work) {
      between = work
    },
  }
}
