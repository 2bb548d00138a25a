import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { makeStreamServer } from '../../../test/support/stream-server.ts'
import { dbErrors } from '../db/errors.ts'
import { authErrors, type Permission } from './principal.ts'

const SIGN_OF_LIFE_MS = 15_000

test('a stream goes on while its caller may read it, and ends when the caller may not any more', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  let asked = 0
  let fault: Error | undefined
  let may: Permission[] = ['events:read']
  const { server } = await makeStreamServer(t, () => {
    asked++
    if (fault) throw fault
    return may
  })
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
  const made = await makeStreamServer(t)
  const url = await made.url()
  // Long before the first sign of life.
  const within = { signal: AbortSignal.timeout(5000) }
  const open = await fetch(url, within)
  assert.equal(open.headers.get('content-type'), 'text/event-stream')
  assert.equal((await fetch(url, { method: 'HEAD', ...within })).status, 200)
  while (made.server.openStreams.size > 1) await turn()
  await open.body?.cancel()
})

test('a stream is drained when its reader has read, or has gone', async (t) => {
  const made = await makeStreamServer(t, undefined, { heldBytes: Number.POSITIVE_INFINITY })
  const url = await made.url()
  // More than the operating systems of both sides keep for them.
  const much = 'x'.repeat(50_000_000)
  for (const isRead of [true, false]) {
    const answer = await fetch(url)
    const connection = made.connections.at(-1)!
    await connection.drained()
    let isDrained = false
    connection.write(much)
    const draining = connection.drained().then(() => {
      isDrained = true
    })
    for (let i = 0; i < 20; i++) await turn()
    assert.equal(isDrained, false)
    if (!isRead) await answer.body!.cancel()
    else for await (const _ of answer.body!) if (isDrained) break
    await draining
  }
})
