/** The deployed nginx in front of three gateways: nothing is lost while they restart, limits hold over all, streams come through. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, type Dispatcher } from 'undici'
import { wholeFile } from '../support/cleanup.ts'
import { type Nginx, startNginx } from '../support/nginx.ts'
import { startRedis } from '../support/redis-server.ts'
import { type Fleet, startFleet } from './fleet.ts'

let fleet: Fleet
let nginx: Nginx
let agent: Agent

/** One address asks for all here: what it may do is tried apart. */
const PER_ADDRESS = ['rate=200r/s', 'rate=100000r/s'] as const
const CONNECTIONS = ['connections_per_address 200', 'connections_per_address 10000'] as const

before(async () => {
  const redis = await startRedis(wholeFile)
  const env = { DRAIN_MS: '1500', RATE_LIMIT_TENANT_PER_MINUTE: '0', RATE_LIMIT_KEY_PER_MINUTE: '0' }
  fleet = await startFleet(wholeFile, { gateways: 3, redisPort: redis.port, env })
  const gateways = fleet.gateways.map(({ port }) => port)
  nginx = await startNginx(wholeFile, { gateways, changes: [PER_ADDRESS, CONNECTIONS] })
  agent = new Agent({ connect: { ca: nginx.certificate } })
  wholeFile.after(() => agent.destroy())
})

interface Answer {
  readonly status: number
  readonly headers: Dispatcher.ResponseData['headers']
  // biome-ignore lint/suspicious/noExplicitAny: tests read answers of every form.
  readonly body: any
}

interface Call {
  readonly body?: unknown
  readonly key?: string
  readonly headers?: Record<string, string>
  readonly url?: string
}

const call = async (method: Dispatcher.HttpMethod, path: string, options: Call = {}): Promise<Answer> => {
  const { body, key = fleet.key, headers = {}, url = nginx.url } = options
  const answer = await agent.request({
    origin: url,
    path,
    method,
    headers: {
      authorization: `Bearer ${key}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    body: body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body),
  })
  const text = await answer.body.text()
  const isJson = String(answer.headers['content-type']).includes('json')
  return { status: answer.statusCode, headers: answer.headers, body: isJson && text !== '' ? JSON.parse(text) : text }
}

const servedBy = async (url: string): Promise<number> => {
  const { body } = await call('GET', '/metrics', { url })
  const counts = String(body).matchAll(/^aidos_http_request_seconds_count\{.*route="\/v1[^\n]* (\d+)$/gm)
  return [...counts].reduce((sum, [, count]) => sum + Number(count), 0)
}

test('no request fails while three gateways restart in turn under load', { timeout: 240_000 }, async (t) => {
  const failures: string[] = []
  const counts = { requests: 0, made: 0 }
  let isOver = false
  const send = async (method: Dispatcher.HttpMethod, path: string, options?: Call): Promise<Answer | undefined> => {
    counts.requests++
    try {
      const answer = await call(method, path, options)
      if (answer.status < 400) return answer
      failures.push(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body).slice(0, 200)}`)
    } catch (error) {
      failures.push(`${method} ${path}: ${error}`)
    }
    return undefined
  }
  const client = async (): Promise<void> => {
    while (!isOver) {
      const headers: Record<string, string> = counts.requests % 2 === 0 ? { 'idempotency-key': randomUUID() } : {}
      const made = await send('POST', '/v1/tasks', { body: { kind: 'skill:core/echo', input: 1 }, headers })
      if (!made) continue
      counts.made++
      await send('GET', `/v1/tasks/${made.body.id}`)
      await send('GET', '/v1/runs?limit=1')
    }
  }
  const clients = Array.from({ length: 8 }, client)
  try {
    for (const gateway of fleet.gateways) await gateway.restart()
    // nginx leaves one alone for a while that has failed; in the end each takes its part again.
    for (const { url } of fleet.gateways) while ((await servedBy(url)) === 0) await sleep(100)
  } finally {
    isOver = true
    await Promise.all(clients)
  }
  t.diagnostic(`${counts.requests} requests, ${failures.length} failed`)
  assert.deepEqual(failures, [])
  assert.ok(counts.requests > 500, `only ${counts.requests} requests`)
})

test('the rate of a tenant holds over all gateways', async (t) => {
  const limit = 600
  const made = await call('POST', '/v1/tenants', { body: { name: `limited-${randomUUID()}` } })
  const { id, key } = made.body as { id: string; key: string }
  const set = await call('PATCH', `/v1/tenants/${id}/limits`, { body: { requestsPerMinute: limit } })
  assert.equal(set.body.requestsPerMinute, limit)
  const before = await Promise.all(fleet.gateways.map(({ url }) => servedBy(url)))
  const statuses: Record<number, number> = {}
  const startedAtMs = Date.now()
  let left = 2 * limit
  const client = async (): Promise<void> => {
    while (left-- > 0) {
      const { status, headers } = await call('GET', '/v1/projects', { key })
      statuses[status] = (statuses[status] ?? 0) + 1
      assert.match(String(headers['ratelimit-policy']), /"tenant";q=600;w=60/)
      if (status === 429) assert.ok(Number(headers['retry-after']) > 0)
    }
  }
  await Promise.all(Array.from({ length: 16 }, client))
  const tookMs = Date.now() - startedAtMs
  assert.ok(tookMs < 55_000, `it took ${tookMs} ms: the window has moved on`)
  const allowed = statuses[200] ?? 0
  t.diagnostic(`${allowed} of ${2 * limit} allowed, the limit is ${limit}`)
  assert.ok(Math.abs(allowed - limit) <= 0.05 * limit, `${allowed} were allowed`)
  assert.equal(allowed + (statuses[429] ?? 0), 2 * limit)
  const after = await Promise.all(fleet.gateways.map(({ url }) => servedBy(url)))
  for (const [i, count] of after.entries()) {
    assert.ok(count - before[i]! > 0.1 * limit, `gateway ${i} took no part in it`)
  }
})

test('events come through as they happen', async () => {
  const stop = new AbortController()
  const stream = await agent.request({
    origin: nginx.url,
    path: '/v1/events/stream',
    method: 'GET',
    headers: { authorization: `Bearer ${fleet.key}` },
    signal: stop.signal,
  })
  assert.equal(stream.statusCode, 200)
  assert.equal(stream.headers['content-type'], 'text/event-stream')
  stream.body.on('error', () => {})
  const { body } = await call('POST', '/v1/tasks', { body: { kind: 'skill:core/echo', input: 1 } })
  let text = ''
  for await (const chunk of stream.body) {
    text += chunk
    if (text.includes(body.id)) break
  }
  stop.abort()
  assert.ok(text.includes(body.id))
})

test('what nginx refuses itself is a problem like any other, and plain HTTP is sent to TLS', async () => {
  const large = await call('POST', '/v1/tasks', { body: JSON.stringify('x'.repeat(3_000_000)) })
  assert.equal(large.status, 413)
  assert.equal(large.headers['content-type'], 'application/problem+json')
  assert.equal(large.body.code, 'body_too_large')
  for (const inside of ['/metrics', '/readyz']) assert.equal((await call('GET', inside)).status, 404)
  assert.equal((await call('GET', '/healthz')).headers['strict-transport-security'], 'max-age=31536000')
  const plain = await fetch(`${nginx.plainUrl}/v1/runs?a=b`, { redirect: 'manual' })
  assert.equal(plain.status, 308)
  assert.match(String(plain.headers.get('location')), /^https:\/\/.*\/v1\/runs\?a=b$/)
})

test('an address that asks too fast is refused before it reaches a gateway', async (t) => {
  const gateways = fleet.gateways.map(({ port }) => port)
  const strict = await startNginx(t, {
    gateways,
    changes: [
      ['rate=200r/s', 'rate=1r/m'],
      ['burst=400', 'burst=4'],
    ],
  })
  const strictAgent = new Agent({ connect: { ca: strict.certificate } })
  t.after(() => strictAgent.destroy())
  const answers: { status: number; type: unknown; retryAfter: unknown }[] = []
  for (let i = 0; i < 8; i++) {
    const answer = await strictAgent.request({ origin: strict.url, path: '/healthz', method: 'GET' })
    await answer.body.text()
    const { 'content-type': type, 'retry-after': retryAfter } = answer.headers
    answers.push({ status: answer.statusCode, type, retryAfter })
  }
  assert.deepEqual(
    answers.map(({ status }) => status),
    [200, 200, 200, 200, 200, 429, 429, 429],
  )
  assert.deepEqual(answers.at(-1), { status: 429, type: 'application/problem+json', retryAfter: '1' })
})
