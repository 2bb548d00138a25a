/**
 * Free loopback ports for servers that are to come back on the same port: below the range from which the system takes ports for
 * outgoing connections, so that nobody has the port by chance while its server is down.
 */
import { createServer } from 'node:net'

export type TakePort = () => Promise<number>

const FIRST = 15_000
const COUNT = 15_000

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })

/** Each port is given once. */
export const makePorts = (random: () => number = Math.random): TakePort => {
  let next = Math.floor(random() * COUNT)
  return async () => {
    for (let tries = 0; tries < COUNT; tries++) {
      const port = FIRST + (next++ % COUNT)
      if (await isFree(port)) return port
    }
    throw new Error(`no free port between ${FIRST} and ${FIRST + COUNT}`)
  }
}
