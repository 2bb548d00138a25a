/** What the server does with every request, whatever the route: ids, traces, headers, shedding, leaving. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { request as send } from 'node:http'
import { connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { until } from '../../../test/support/until.ts'
import { makeLog } from '../log.ts'
import { ifMatch, sendTagged } from './etag.ts'
import { makeLoadWatch } from './load-shedding.ts'
import { PERMISSIONS } from './principal.ts'
import { type HttpServer, type HttpServerOptions, makeHttpServer } from './server.ts'
import { makeTraces, readTraceparent } from './trace-context.ts'

const CONFIG = { permission: 'runs:read' } as const
const things = new Map([['a', 1]])

const makeServer = async (
  t: TestContext,
  options: Partial<HttpServerOptions> = {},
  more: (server: HttpServer) => void = () => {},
): Promise<HttpServer> => {
  const server = await makeHttpServer({
    log: makeLog('silent'),
    makeId: randomUUID,
    bodyLimitBytes: 1_048_576,
    version: '0',
    authenticate: () =>
      ({
        ...({ kind: 'key', name: 'k', memberId: null, role: null } as object as { kind: 'key' }),
        ...{ tenantId: 't', projectId: null, keyId: 'k', permissions: new Set(PERMISSIONS) },
      }) as never,
    routes: [
      (made) => {
        made.get('/v1/plain', { config: CONFIG }, async (request) => ({ traceId: request.trace.traceId }))
        made.get('/readyz', { config: { public: true } }, async () => ({ status: 'ready' }))
        const stateOf = (value: number) => ({ fields: [value], figures: [things.size] })
        made.get('/v1/thing', { config: { ...CONFIG, conditional: true } }, async (request, reply) => {
          const value = things.get('a') as number
          return sendTagged(request, reply, stateOf(value), { value })
        })
        made.get('/v1/undeclared', { config: CONFIG }, async (request, reply) =>
          sendTagged(request, reply, stateOf(1), {}),
        )
        made.put('/v1/undeclared', { config: CONFIG }, async (request) => void ifMatch(request, stateOf))
        made.put('/v1/thing', { config: { ...CONFIG, conditional: true } }, async (request, reply) => {
          ifMatch(request, stateOf)?.(things.get('a') as number)
          things.set('a', (things.get('a') as number) + 1)
          return sendTagged(request, reply, stateOf(things.get('a') as number), { value: things.get('a') })
        })
      },
      more,
    ],
    ...options,
  })
  t.after(() => server.close())
  return server
}

test('a request keeps a sane id of its caller, and gets one of ours otherwise', async (t) => {
  const server = await makeServer(t)
  const idFor = async (id: string) =>
    (await server.inject({ url: '/v1/plain', headers: { 'x-request-id': id } })).headers['x-request-id']
  assert.equal(await idFor('order-77.a:b'), 'order-77.a:b')
  for (const bad of ['', ' ', 'a b', '{"x":1}', '-x', 'x'.repeat(101)])
    assert.match(String(await idFor(bad)), /^[\da-f-]{36}$/)
})

test('readTraceparent() takes what the standard allows and nothing else', () => {
  const [trace, span] = ['4bf92f3577b34da6a3ce929d0e0e4736', '00f067aa0ba902b7']
  assert.deepEqual(readTraceparent(`00-${trace}-${span}-01`), { traceId: trace, parentId: span, isSampled: true })
  assert.equal(readTraceparent(`00-${trace}-${span}-00`)?.isSampled, false)
  assert.equal(readTraceparent(`cc-${trace}-${span}-01-what-the-future-brings`)?.traceId, trace)
  for (const bad of [
    `ff-${trace}-${span}-01`,
    `00-${trace}-${span}-01-more`,
    `00-${trace.toUpperCase()}-${span}-01`,
    `00-${'0'.repeat(32)}-${span}-01`,
    `00-${trace}-${'0'.repeat(16)}-01`,
    `00-${trace}-${span}`,
    'x',
    undefined,
  ]) {
    assert.equal(readTraceparent(bad), undefined, bad)
  }
})

test('a request goes on with the trace of its caller, and hands it on while it is under way', async (t) => {
  const traces = makeTraces()
  const answered = Promise.withResolvers<void>()
  let later: Promise<unknown> | undefined
  const server = await makeServer(t, { traces }, (made) =>
    made.post('/v1/calls-out', { config: CONFIG }, async () => {
      await sleep(1)
      const isOver = (): boolean => Object.keys(traces.outgoing()).length === 0
      later = answered.promise.then(() => until('the trace to end with the request', isOver))
      return traces.outgoing()
    }),
  )
  const trace = '4bf92f3577b34da6a3ce929d0e0e4736'
  const headers = { traceparent: `00-${trace}-00f067aa0ba902b7-01`, tracestate: 'a=1' }
  const url = await server.listen({ host: '127.0.0.1', port: 0 })
  const answer = await fetch(`${url}/v1/calls-out`, { method: 'POST', headers })
  const out = (await answer.json()) as { traceparent: string; tracestate: string }
  assert.match(out.traceparent, new RegExp(`^00-${trace}-[0-9a-f]{16}-01$`))
  assert.ok(!out.traceparent.includes('00f067aa0ba902b7'), 'the span of the caller was handed on as ours')
  assert.equal(out.tracestate, 'a=1')
  assert.deepEqual(traces.outgoing(), {})
  answered.resolve()
  assert.equal(await later, true)
})

test('every answer says what a browser may do with it', async (t) => {
  const server = await makeServer(t)
  for (const url of ['/v1/plain', '/v1/none', '/docs/']) {
    const { headers } = await server.inject({ url })
    assert.equal(headers['x-content-type-options'], 'nosniff', url)
    assert.equal(headers['x-frame-options'], 'DENY', url)
    assert.match(String(headers['content-security-policy']), /frame-ancestors 'none'/, url)
    assert.equal(headers['access-control-allow-origin'], undefined, url)
  }
})

test('pages of the origins that are named may call, and no others', async (t) => {
  const server = await makeServer(t, { corsOrigins: ['https://app.example'] })
  const preflight = (origin: string) =>
    server.inject({
      method: 'OPTIONS',
      url: '/v1/plain',
      headers: { origin, 'access-control-request-method': 'GET' },
    })
  const allowed = await preflight('https://app.example')
  assert.equal(allowed.statusCode, 204)
  assert.equal(allowed.headers['access-control-allow-origin'], 'https://app.example')
  assert.match(String(allowed.headers['access-control-allow-headers']), /authorization.*idempotency-key/)
  const refused = await preflight('https://evil.example')
  assert.equal(refused.headers['access-control-allow-origin'], undefined)
  assert.equal(refused.headers.vary, 'Origin')
  const plain = await server.inject({ url: '/v1/plain', headers: { origin: 'https://app.example' } })
  assert.equal(plain.headers['access-control-allow-origin'], 'https://app.example')
  assert.equal(plain.headers['access-control-allow-credentials'], undefined)
})

test('a route that does not say it is conditional cannot be: the documentation would be silent about it', async (t) => {
  const server = await makeServer(t)
  assert.equal((await server.inject({ url: '/v1/undeclared' })).statusCode, 500)
  assert.equal((await server.inject({ method: 'PUT', url: '/v1/undeclared' })).statusCode, 500)
})

test('a thing that was not changed is answered 304, and a change over a stale reading is refused with 412', async (t) => {
  const server = await makeServer(t)
  const first = await server.inject({ url: '/v1/thing' })
  const tag = String(first.headers.etag)
  const again = await server.inject({ url: '/v1/thing', headers: { 'if-none-match': `"x", W/${tag}` } })
  assert.equal(again.statusCode, 304)
  assert.equal(again.body, '')
  // A figure that moves by itself makes the reading new, and stands in no change's way.
  things.set('b', 1)
  assert.equal((await server.inject({ url: '/v1/thing', headers: { 'if-none-match': tag } })).statusCode, 200)
  const put = (match: string) => server.inject({ method: 'PUT', url: '/v1/thing', headers: { 'if-match': match } })
  assert.equal((await put(`W/${tag}`)).statusCode, 412)
  assert.equal((await put(tag)).statusCode, 200)
  const stale = await put(tag)
  assert.equal(stale.statusCode, 412)
  assert.equal(stale.json().code, 'precondition_failed')
  assert.equal((await put('*')).statusCode, 200)
})

test('a server with too much to do refuses with 503 and says when to come again; health is always answered', async (t) => {
  const probe = { nowMs: 0, timers: [] as (() => void)[], memory: 10 }
  const load = makeLoadWatch(
    { requests: 1, lagMs: 200, memoryPercent: 90 },
    { now: () => probe.nowMs, after: (_ms, fn) => void probe.timers.push(fn), memoryPercent: () => probe.memory },
  )
  const release = Promise.withResolvers<void>()
  const server = await makeServer(t, { load }, (made) => {
    made.get('/v1/slow', { config: CONFIG }, async () => release.promise.then(() => ({})))
  })
  const get = (url: string) => server.inject({ url })
  const tick = (ms: number) => {
    probe.nowMs += ms
    for (const fn of probe.timers.splice(0)) fn()
  }
  const slow = get('/v1/slow')
  await until('it to be under way', () => load.underWay === 1)
  const refused = await get('/v1/plain')
  assert.equal(refused.statusCode, 503)
  assert.equal(refused.json().code, 'overloaded')
  assert.equal(refused.headers['retry-after'], '1')
  assert.equal((await get('/readyz')).statusCode, 200)
  release.resolve()
  await slow
  await until('its end', () => load.underWay === 0)
  assert.equal((await get('/v1/plain')).statusCode, 200)

  tick(500)
  assert.match((await get('/v1/plain')).json().detail, /lags by 400 ms/)
  tick(100)
  assert.equal((await get('/v1/plain')).statusCode, 200)
  probe.memory = 95
  tick(100)
  assert.match((await get('/v1/plain')).json().detail, /memory/)
  assert.equal((await get('/readyz')).statusCode, 200)
})

test('load is measured only while requests come', async () => {
  const timers: (() => void)[] = []
  const load = makeLoadWatch(
    { requests: 1, lagMs: 1, memoryPercent: 0 },
    { now: () => 0, after: (_ms, fn) => void timers.push(fn), memoryPercent: () => 0 },
  )
  assert.equal(timers.length, 0)
  load.reason()
  assert.equal(timers.length, 1)
  for (let i = 0; i < 2; i++) for (const fn of timers.splice(0)) fn()
  assert.equal(timers.length, 0)
})

test('a request that is broken off is not under way any more', async (t) => {
  const load = makeLoadWatch({ requests: 5, lagMs: 0, memoryPercent: 0 })
  const entered = Promise.withResolvers<void>()
  const server = await makeServer(t, { load }, (made) => {
    made.get('/v1/never', { config: CONFIG }, () => {
      entered.resolve()
      return new Promise(() => {})
    })
  })
  const url = await server.listen({ host: '127.0.0.1', port: 0 })
  const client = send(`${url}/v1/never`)
  client.on('error', () => {})
  client.end()
  await entered.promise
  assert.equal(load.underWay, 1)
  client.destroy()
  await until('its end', () => load.underWay === 0)
})

test('a server that leaves is not ready, finishes what is under way, and sends our edge elsewhere', async (t) => {
  const release = Promise.withResolvers<void>()
  const entered = Promise.withResolvers<void>()
  const server = await makeServer(t, { drainMs: 2000 }, (made) => {
    made.get('/v1/slow', { config: CONFIG }, async () => {
      entered.resolve()
      await release.promise
      return { done: true }
    })
  })
  const url = await server.listen({ host: '127.0.0.1', port: 0 })
  const slow = fetch(`${url}/v1/slow`)
  await entered.promise
  const closed = server.close()
  const get = (path: string, headers: Record<string, string> = {}) => fetch(`${url}${path}`, { headers })
  await until('the server to leave', async () => (await get('/readyz')).status === 503, { everyMs: 1 })
  const taken = await get('/v1/plain')
  assert.equal(taken.status, 200)
  assert.equal(taken.headers.get('connection'), 'close')
  assert.equal((await get('/v1/plain', { 'x-edge-retries': '1' })).status, 502)
  const post = await fetch(`${url}/v1/thing`, { method: 'PUT', headers: { 'x-edge-retries': '1' } })
  assert.equal(post.status, 200)
  release.resolve()
  assert.deepEqual(await (await slow).json(), { done: true })
  await closed
  await assert.rejects(get('/readyz'))
})

test('the address of the caller is what a trusted proxy says, and nobody else', async (t) => {
  for (const [trustedProxies, expected] of [
    [['127.0.0.0/8'], '203.0.113.7'],
    [[], '127.0.0.1'],
  ] as const) {
    const server = await makeServer(t, { trustedProxies }, (made) => {
      made.get('/v1/from', { config: CONFIG }, async (request) => ({ from: request.ip }))
    })
    const answer = await server.inject({ url: '/v1/from', headers: { 'x-forwarded-for': '203.0.113.7' } })
    assert.equal(answer.json().from, expected)
  }
})

test('a stop does not wait for ever: what is not done within the grace is cut off', async (t) => {
  const entered = Promise.withResolvers<void>()
  const server = await makeServer(t, { graceMs: 50 }, (made) => {
    made.get('/v1/never', { config: CONFIG }, () => {
      entered.resolve()
      return new Promise(() => {})
    })
  })
  const url = await server.listen({ host: '127.0.0.1', port: 0 })
  const cut = assert.rejects(fetch(`${url}/v1/never`))
  await entered.promise
  await server.close()
  await cut
})

test('a stop does not wait for a connection on which nothing was asked', async (t) => {
  const server = await makeServer(t, { graceMs: 600_000 })
  const url = new URL(await server.listen({ host: '127.0.0.1', port: 0 }))
  const socket = connect(Number(url.port), url.hostname)
  await once(socket.resume(), 'connect')
  const gone = once(socket, 'close')
  await server.close()
  await gone
})
