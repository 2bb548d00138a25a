/** Asks once whether PostgreSQL takes this process in: one connection, closed again. Pools answer late when they are told to stop. */
import { Socket } from 'node:net'
import pg from 'pg'
import type { PostgresOptions } from './postgres.ts'

const CONNECT_MS = 5000

export type ProbeOptions = Pick<PostgresOptions, 'host' | 'port' | 'database' | 'user' | 'password'>

/** Rejects with what the server or the network says; at once when the signal is aborted. */
export const probePostgres = async (options: ProbeOptions, signal?: AbortSignal): Promise<void> => {
  const socket = new Socket()
  const { host, port, database, user, password } = options
  const connection = { host, port, database, user, password, application_name: 'aidos' }
  const client = new pg.Client({ ...connection, connectionTimeoutMillis: CONNECT_MS, stream: () => socket })
  client.on('error', () => {})
  const abort = (): void => void socket.destroy(new Error('the connection was called off'))
  signal?.addEventListener('abort', abort, { once: true })
  try {
    await client.connect()
    await client.query('SELECT 1')
    await client.end()
  } finally {
    signal?.removeEventListener('abort', abort)
    socket.destroy()
  }
}
