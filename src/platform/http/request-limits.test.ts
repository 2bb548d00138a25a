import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { until } from '../../../test/support/until.ts'
import { makeFakeClock } from '../clock.ts'
import { makeMemoryLimiter } from '../limits/memory-limiter.ts'
import { makeLog } from '../log.ts'
import { PERMISSIONS } from './principal.ts'
import type { CallerLimits } from './request-limits.ts'
import { type HttpServer, makeHttpServer } from './server.ts'

const countConnections = (server: HttpServer): Promise<number> =>
  new Promise((resolve, reject) =>
    server.server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
  )

const setUp = async (t: TestContext, limits: CallerLimits, before = async (): Promise<void> => {}) => {
  const clock = makeFakeClock()
  const held: (() => void)[] = []
  const server = await makeHttpServer({
    log: makeLog('silent'),
    makeId: randomUUID,
    bodyLimitBytes: 1000,
    version: '0',
    authenticate: (caller = '') => ({
      ...({
        kind: caller === 'peer' ? 'service' : 'key',
        name: '',
        memberId: null,
        role: null,
        projectId: null,
      } as const),
      ...{ tenantId: caller.split('/')[0] as string, keyId: caller, permissions: new Set(PERMISSIONS) },
    }),
    limits: { limiter: makeMemoryLimiter({ clock }), of: () => before().then(() => limits) },
    routes: [
      (made) => {
        made.get('/v1/x', { config: { permission: 'runs:read' } }, async () => ({}))
        made.get(
          '/v1/held',
          { config: { permission: 'runs:read' } },
          () => new Promise((go) => held.push(() => go({}))),
        )
        made.get('/open', { config: { public: true } }, async () => ({}))
      },
    ],
  })
  t.after(() => server.close())
  const get = (caller: string, url = '/v1/x') => server.inject({ url, headers: { authorization: caller } })
  const statuses = async (caller: string, times: number) => {
    const list: number[] = []
    for (let i = 0; i < times; i++) list.push((await get(caller)).statusCode)
    return list
  }
  return { clock, get, statuses, held, server }
}

test('a tenant over its rate is refused with 429, and told its policy, what is left and when to come again', async (t) => {
  const { get, statuses, clock } = await setUp(t, { tenantPerMinute: 3, keyPerMinute: 0, underWay: 0 })
  const first = await get('one/a')
  assert.equal(first.headers['ratelimit-policy'], '"tenant";q=3;w=60')
  assert.equal(first.headers.ratelimit, '"tenant";r=2;t=60')
  assert.deepEqual(await statuses('one/b', 3), [200, 200, 429])
  const refused = await get('one/a')
  assert.match(String(refused.headers['content-type']), /problem\+json/)
  assert.equal(refused.json().code, 'rate_limited')
  assert.deepEqual(refused.json().details, { scope: 'tenant', limit: 3, windowSeconds: 60 })
  assert.equal(refused.headers['retry-after'], '61')
  assert.deepEqual(await statuses('two/a', 1), [200])
  clock.advance(61_000)
  assert.deepEqual(await statuses('one/a', 4), [200, 200, 200, 429])
})

test('a key over its rate takes nothing from the other keys of its tenant', async (t) => {
  const { statuses, get } = await setUp(t, { tenantPerMinute: 5, keyPerMinute: 2, underWay: 0 })
  assert.deepEqual(await statuses('one/a', 6), [200, 200, 429, 429, 429, 429])
  assert.deepEqual(await statuses('one/b', 3), [200, 200, 429])
  assert.equal((await get('one/c')).headers.ratelimit, '"key";r=1;t=60, "tenant";r=0;t=60')
})

test('requests of a tenant under way are limited, and free their place when they end', async (t) => {
  const { get, held } = await setUp(t, { tenantPerMinute: 0, keyPerMinute: 0, underWay: 2 })
  const two = [get('one/a', '/v1/held'), get('one/b', '/v1/held')]
  while (held.length < 2) await new Promise((resolve) => setImmediate(resolve))
  const refused = await get('one/c')
  assert.equal(refused.statusCode, 429)
  assert.equal(refused.json().code, 'too_many_under_way')
  assert.equal(refused.headers['retry-after'], '1')
  assert.equal((await get('two/a')).statusCode, 200)
  for (const go of held) go()
  await Promise.all(two)
  assert.equal((await get('one/c')).statusCode, 200)
})

test('a caller who goes away while its limits are looked up leaves no place taken', async (t) => {
  const gate = Promise.withResolvers<void>()
  let asked = 0
  const limits = { tenantPerMinute: 0, keyPerMinute: 0, underWay: 1 }
  const { server, get } = await setUp(t, limits, () => (asked++ === 0 ? gate.promise : Promise.resolve()))
  const port = Number(new URL(await server.listen({ host: '127.0.0.1', port: 0 })).port)
  const socket = connect(port, '127.0.0.1')
  socket.write('GET /v1/x HTTP/1.1\r\nhost: a\r\nauthorization: one/a\r\n\r\n')
  await until('the look-up', () => asked === 1)
  socket.destroy()
  await until('the server to notice', () => countConnections(server).then((count) => count === 0))
  gate.resolve()
  assert.equal((await get('one/b')).statusCode, 200)
})

test('open routes and other processes of ours are not limited', async (t) => {
  const { get, statuses } = await setUp(t, { tenantPerMinute: 1, keyPerMinute: 1, underWay: 1 })
  assert.deepEqual(await statuses('peer', 3), [200, 200, 200])
  for (let i = 0; i < 3; i++) assert.equal((await get('one/a', '/open')).statusCode, 200)
})
