import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { makeTestDatabaseUrl } from '../../../test/support/postgres.ts'
import { placeOf } from '../../../test/support/postgres-place.ts'
import { isOutage } from './errors.ts'
import { probePostgres } from './postgres-probe.ts'

/** Passes on to PostgreSQL as many bytes of its answers as it is told, then stands still with open connections. */
const makeStalling = async (t: { after(work: () => void): void }, target: { port: number }, bytes: number) => {
  const sockets: Socket[] = []
  const server = createServer((socket) => {
    const upstream = connect(target.port, '127.0.0.1')
    let left = bytes
    sockets.push(socket, upstream)
    for (const each of [socket, upstream]) each.on('error', () => {})
    socket.pipe(upstream)
    upstream.on('data', (chunk) => {
      socket.write(chunk.subarray(0, Math.max(0, left)))
      left -= chunk.length
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { ...target, host: '127.0.0.1', port: (server.address() as { port: number }).port }
}

test('probePostgres() does not wait for a server that takes the connection and then stands still', async (t) => {
  const place = placeOf(await makeTestDatabaseUrl(t))
  await probePostgres(place)
  for (const bytes of [0, 10, 500]) {
    const stalling = await makeStalling(t, place, bytes)
    await assert.rejects(probePostgres({ ...place, ...stalling }, undefined, 200), (error: Error) => {
      assert.match(error.message, /no answer within 200 ms/)
      return isOutage(error)
    })
  }
})
