/** Finds a loopback TCP port that nobody listens on. */
import { createServer } from 'node:net'

/** The port was free a moment ago; another process may still take it first, so a caller that can should listen on 0 instead. */
export const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() =>
        typeof address === 'object' && address
          ? resolve(address.port)
          : reject(new Error('the system gave no TCP port')),
      )
    })
  })
