/** One Redis for a test file, with clients that are closed at its end. */
import { Redis } from 'ioredis'
import type { Cleanup } from './cleanup.ts'
import { startRedis as startProcess } from './redis-process.ts'

export interface RedisServer {
  readonly port: number
  /** A client of its own, closed when the test ends. */
  connect(): Promise<Redis>
  /** Ends the process; `start()` starts it again on the same port. */
  stop(): Promise<void>
  start(): Promise<void>
}

/** Starts a server that is stopped when the test ends. */
export const startRedis = async (t: Cleanup): Promise<RedisServer> => {
  const server = await startProcess({ settings: { appendonly: 'no' } })
  t.after(() => server.stop())
  return {
    port: server.port,
    async connect() {
      const client = new Redis({
        port: server.port,
        commandTimeout: 2000,
        enableOfflineQueue: false,
        lazyConnect: true,
      })
      client.on('error', () => {})
      t.after(() => client.disconnect())
      await client.connect()
      return client
    },
    stop: () => server.kill(),
    start: () => server.start(),
  }
}
