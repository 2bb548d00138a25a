import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { dbErrors } from '../db/errors.ts'
import { makeLog } from '../log.ts'
import { openEventConnection } from './event-connection.ts'
import { authErrors, type Permission } from './principal.ts'
import { makeHttpServer } from './server.ts'

const SIGN_OF_LIFE_MS = 15_000

test('a stream goes on while its caller may read it, and ends when the caller may not any more', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  let asked = 0
  let fault: Error | undefined
  let may: Permission[] = ['events:read']
  const server = await makeHttpServer({
    log: makeLog('silent'),
    makeId: randomUUID,
    bodyLimitBytes: 1024,
    version: '0',
    authenticate() {
      asked++
      if (fault) throw fault
      const who = {
        kind: 'key',
        tenantId: 't',
        projectId: null,
        keyId: 'k',
        name: 'k',
        memberId: null,
        role: null,
      } as const
      return { ...who, permissions: new Set(may) }
    },
    routes: [
      (server) =>
        server.get(
          '/v1/things/stream',
          { config: { permission: 'events:read' } },
          async (request, reply) => void openEventConnection(request, reply, { heldBytes: 1024, closed() {} }),
        ),
    ],
  })
  t.after(() => server.close())
  await server.ready()
  const streaming = async (): Promise<() => boolean> => {
    let isOver = false
    const before = asked
    server.inject('/v1/things/stream').then(() => {
      isOver = true
    })
    while (asked === before || server.openStreams.size === 0) await turn()
    return () => isOver
  }
  const later = async (): Promise<void> => {
    const before = asked
    t.mock.timers.tick(SIGN_OF_LIFE_MS)
    for (let i = 0; i < 20; i++) await turn()
    assert.ok(asked > before, 'the caller was looked at again')
  }

  const isOver = await streaming()
  await later()
  assert.equal(isOver(), false)
  // Nobody can say now whether the caller may: that ends nothing.
  fault = dbErrors.database_away('away')
  await later()
  assert.equal(isOver(), false)
  fault = authErrors.unauthenticated('the key is revoked')
  await later()
  assert.equal(isOver(), true)

  fault = undefined
  const isOtherOver = await streaming()
  may = ['runs:read']
  await later()
  assert.equal(isOtherOver(), true)
})

test('a stream says at once that it is there, and a HEAD request is over then', async (t) => {
  const server = await makeHttpServer({
    log: makeLog('silent'),
    makeId: randomUUID,
    bodyLimitBytes: 1024,
    version: '0',
    authenticate() {
      const who = {
        kind: 'key',
        tenantId: 't',
        projectId: null,
        keyId: 'k',
        name: 'k',
        memberId: null,
        role: null,
      } as const
      return { ...who, permissions: new Set(['events:read'] as const) }
    },
    routes: [
      (server) =>
        server.get(
          '/v1/things/stream',
          { config: { permission: 'events:read' } },
          async (request, reply) => void openEventConnection(request, reply, { heldBytes: 1024, closed() {} }),
        ),
    ],
  })
  t.after(() => server.close())
  await server.listen({ port: 0, host: '127.0.0.1' })
  const url = `http://127.0.0.1:${(server.server.address() as AddressInfo).port}/v1/things/stream`
  // Long before the first sign of life.
  const within = { signal: AbortSignal.timeout(5000) }
  const open = await fetch(url, within)
  assert.equal(open.headers.get('content-type'), 'text/event-stream')
  assert.equal((await fetch(url, { method: 'HEAD', ...within })).status, 200)
  while (server.openStreams.size > 1) await turn()
  await open.body?.cancel()
})
