/** Tells of broken connections to the database: an outage breaks all of them within a moment, and is one line. */
import type { Clock } from '../platform/clock.ts'
import type { Log } from '../platform/log.ts'

const MOMENT_MS = 250

/** The returned function takes the error of each. */
export const makeBrokenConnections = (log: Pick<Log, 'error'>, clock: Clock): ((error: Error) => void) => {
  let first: Error | undefined
  let connections = 0
  const tell = (): void => {
    const what = connections === 1 ? 'a connection to the database broke' : 'connections to the database broke'
    log.error({ err: first, connections }, what)
    first = undefined
    connections = 0
  }
  return (error) => {
    connections++
    if (first) return
    first = error
    clock.after(MOMENT_MS, tell)
  }
}
