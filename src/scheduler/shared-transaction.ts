/**
 * Lets changes that meet at the same moment share a transaction, and so one sync to disk, where one writer is all that there is. Each
 * sees what those before it have written. When one throws, nothing of the group is kept, and each is done again in a transaction of its own.
 * For what the scheduler does by itself: whose call it was is not known in here, and what somebody calls for has to be audited.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { Database, Handle } from '../platform/db/database.ts'

/** May be called twice: nothing of the first call is kept then. */
type Work<T> = (tx: Handle) => Promise<T>

interface Waiting {
  readonly work: Work<unknown>
  resolve(value: unknown): void
  reject(error: unknown): void
}

/** A transaction holds up all other writers of the process. */
const TOGETHER_MAX = 32

export const makeSharedTransaction = (db: Pick<Database, 'transaction'>) => {
  const outsideOfCalls = AsyncLocalStorage.snapshot()
  const waiting: Waiting[] = []
  let isRunning = false

  const doTogether = async (group: readonly Waiting[]): Promise<boolean> => {
    const results: unknown[] = []
    try {
      await db.transaction(async (tx) => {
        for (const { work } of group) results.push(await work(tx))
      })
    } catch {
      return false
    }
    for (const [i, { resolve }] of group.entries()) resolve(results[i])
    return true
  }

  const run = async (): Promise<void> => {
    isRunning = true
    while (waiting.length > 0) {
      const group = waiting.splice(0, TOGETHER_MAX)
      if (group.length > 1 && (await doTogether(group))) continue
      for (const { work, resolve, reject } of group) await db.transaction(work).then(resolve, reject)
    }
    isRunning = false
  }

  return <T>(work: Work<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      waiting.push({ work, resolve: resolve as Waiting['resolve'], reject })
      if (!isRunning) void outsideOfCalls(run)
    })
}
