/** The end of a request, for whatever is counted or held as long as it is under way. */
import type { ServerResponse } from 'node:http'

/**
 * Calls `fn` once when the request is over: answered, or given up by its caller. At once when it is over already: who calls may go away
 * while we still look who it is, and `close` is told but once.
 */
export const whenOver = (raw: ServerResponse, fn: () => void): void => {
  if (raw.closed) fn()
  else raw.once('close', fn)
}
