/** Asks once whether PostgreSQL takes this process in: one connection, closed again. Pools answer late when they are told to stop. */
import { Socket } from 'node:net'
import pg from 'pg'
import { noAnswer } from './errors.ts'

const SILENCE_MS = 5000

export interface PostgresPlace {
  readonly host: string
  readonly port: number
  readonly database: string
  readonly user: string
  readonly password: string
}

/** Rejects with what the server or the network says, or when it says nothing for as long as `silenceMs`; at once when the signal is aborted. */
export const probePostgres = async (
  options: PostgresPlace,
  signal?: AbortSignal,
  silenceMs = SILENCE_MS,
): Promise<void> => {
  const socket = new Socket()
  const { host, port, database, user, password } = options
  const connection = { host, port, database, user, password, application_name: 'aidos' }
  const client = new pg.Client({ ...connection, stream: () => socket })
  client.on('error', () => {})
  const abort = (): void => void socket.destroy(new Error('the connection was called off'))
  signal?.addEventListener('abort', abort, { once: true })
  // It may take the connection and then stand still, at any word; what is no PostgreSQL at all may do the same.
  socket.setTimeout(silenceMs, () =>
    socket.destroy(noAnswer(silenceMs, socket.connecting ? 'no connection' : 'connected, but no answer of PostgreSQL')),
  )
  try {
    await client.connect()
    await client.query('SELECT 1')
    await client.end()
  } finally {
    signal?.removeEventListener('abort', abort)
    socket.destroy()
  }
}
