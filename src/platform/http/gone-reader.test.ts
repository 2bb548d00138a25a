import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { until } from '../../../test/support/until.ts'
import { makeLog } from '../log.ts'
import { openEventConnection } from './event-connection.ts'
import { makeHttpServer } from './server.ts'

const CALLER = {
  ...({ kind: 'key', tenantId: 't', projectId: null, keyId: 'k', name: 'k', memberId: null, role: null } as const),
  permissions: new Set(['events:read'] as const),
}

test('a stream for a reader who has gone before it was opened ends at once', async (t) => {
  const gate = Promise.withResolvers<void>()
  const told: string[] = []
  const server = await makeHttpServer({
    log: makeLog('silent'),
    makeId: randomUUID,
    bodyLimitBytes: 1024,
    version: '0',
    authenticate: () => CALLER,
    routes: [
      (server) =>
        server.get('/v1/things/stream', { config: { permission: 'events:read' } }, async (request, reply) => {
          told.push('asked')
          await gate.promise
          openEventConnection(request, reply, { heldBytes: 1024, closed: () => told.push('closed') })
          told.push('opened')
        }),
    ],
  })
  t.after(() => server.close())
  const { port } = new URL(await server.listen({ port: 0, host: '127.0.0.1' }))
  const isGone = new Promise<void>((resolve) => {
    server.server.once('connection', (one: Socket) => one.once('close', () => resolve()))
  })
  const socket = connect(Number(port), '127.0.0.1')
  socket.write('GET /v1/things/stream HTTP/1.1\r\nhost: a\r\n\r\n')
  await until('the request', () => told.length === 1)
  socket.destroy()
  await isGone
  gate.resolve()
  await until('its end', () => told.includes('closed'))
  assert.deepEqual([told, server.openStreams.size], [['asked', 'opened', 'closed'], 0])
})
