/** Free loopback ports for servers of tests. */
import { makePorts } from '../../cluster/ports.ts'

/** The port was free a moment ago; another process may still take it first, so a caller that can should listen on 0 instead. */
export const freePort = makePorts()
