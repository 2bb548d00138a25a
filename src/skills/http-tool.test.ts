import assert from 'node:assert/strict'
import type http from 'node:http'
import test, { after, before } from 'node:test'
import { makeFakeClock } from '../platform/clock.ts'
import type { Json } from '../platform/json.ts'
import { makeOutbound, type Outbound } from '../platform/outbound/outbound.ts'
import type { RevealRequest } from '../secrets/index.ts'
import { type HttpToolSpec, makeHttpTool } from './http-tool.ts'
import { failureOf, makeToolCall, readText, startServer, type TestServer } from './testing.ts'

interface Seen {
  method: string | undefined
  url: string | undefined
  headers: http.IncomingHttpHeaders
  body: string
}

let server: TestServer
let outbound: Outbound
const seen: Seen[] = []
let reply: (response: http.ServerResponse) => void = (response) => response.end()

before(async () => {
  server = await startServer(async (request, response) => {
    seen.push({ method: request.method, url: request.url, headers: request.headers, body: await readText(request) })
    reply(response)
  })
  outbound = makeOutbound({ allow: ['127.0.0.1'], timeoutMs: 30_000, maxResponseBytes: 10_000 })
})
after(async () => {
  await outbound.stop()
  server.stop()
})

const json = (value: Json) => (response: http.ServerResponse) =>
  response.setHeader('content-type', 'application/json').end(JSON.stringify(value))

const SECRET = 'se"cret/word+1'
const revealed: RevealRequest[] = []
const secrets = {
  projectId: 'p1',
  async revealSecret(request: RevealRequest): Promise<string> {
    revealed.push(request)
    return `${request.reference.prefix ?? ''}${SECRET}`
  },
}

const run = (spec: Partial<HttpToolSpec>, input: Json): Promise<Json> =>
  makeHttpTool(
    { name: 'orders', description: '', url: server.url, ...spec },
    { outbound, clock: makeFakeClock(), ...secrets },
  ).run(input, makeToolCall())
const last = (): Seen => seen.at(-1)!

test('an http tool puts its input into the URL, encoded, and gives the body back', async () => {
  reply = json({ id: 7 })
  const url = `${server.url}/orders/{{ id }}?q={{ q }}`
  assert.deepEqual(await run({ url }, { id: '../admin?x=1#', q: 'a&b=c d' }), { id: 7 })
  assert.deepEqual([last().method, last().url], ['GET', '/orders/..%2Fadmin%3Fx%3D1%23?q=a%26b%3Dc%20d'])
  assert.equal(last().headers['idempotency-key'], 'key-1')
})

test('an http tool cannot be led to another host by its input', async () => {
  const led = run({ url: `${server.url}{{ path }}` }, { path: '@evil.example/' })
  assert.equal((await failureOf(led)).code, 'outbound_invalid')
  assert.equal((await failureOf(run({ url: 'http://{{ host }}/' }, { host: '10.0.0.1' }))).code, 'outbound_blocked')
})

test('an http tool sends its input as JSON with the methods that take a body', async () => {
  reply = json({ ok: true })
  await run({ method: 'post' }, { a: 1 })
  assert.deepEqual(
    [last().method, last().body, last().headers['content-type']],
    ['POST', '{"a":1}', 'application/json'],
  )
  await run({ method: 'DELETE' }, { a: 1 })
  assert.deepEqual([last().method, last().body], ['DELETE', ''])
  await run({ method: 'POST', body: null }, { a: 1 })
  assert.equal(last().body, '')
})

test('an http tool makes its body and headers by expression or template', async () => {
  await run(
    { method: 'POST', body: { jsonata: '{ "total": $sum(items.n) }' }, headers: { 'X-Who': '{{ who }}' } },
    { who: 'me', items: [{ n: 1 }, { n: 2 }] },
  )
  assert.deepEqual(
    [last().body, last().headers['content-type'], last().headers['x-who']],
    ['{"total":3}', 'application/json', 'me'],
  )
  await run(
    {
      method: 'PUT',
      body: { template: 'a={{ a }}' },
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    },
    { a: 1 },
  )
  assert.deepEqual([last().body, last().headers['content-type']], ['a=1', 'application/x-www-form-urlencoded'])
  const smuggled = run({ headers: { 'X-Who': '{{ who }}' } }, { who: 'a\r\nx-admin: 1' })
  assert.equal((await failureOf(smuggled)).code, 'outbound_invalid')
})

test('an http tool shapes its output by an expression over the answer', async () => {
  reply = (response) =>
    response.writeHead(201, { 'content-type': 'application/json', 'x-id': 'i' }).end('{"items":[{"n":1},{"n":2}]}')
  const output = '{ "s": status, "id": headers.`x-id`, "all": body.items.n, "asked": $input.q }'
  assert.deepEqual(await run({ output }, { q: 5 }), { s: 201, id: 'i', all: [1, 2], asked: 5 })
})

test('an http tool tells what is worth another try', async () => {
  const cases: [number, boolean][] = [
    [400, false],
    [401, false],
    [404, false],
    [409, false],
    [408, true],
    [429, true],
    [500, true],
    [503, true],
  ]
  for (const [status, retryable] of cases) {
    reply = (response) => response.writeHead(status, { 'retry-after': '2' }).end('why')
    const error = await failureOf(run({}, {}))
    assert.deepEqual([error.retryable, error.retryAfterMs], [retryable, retryable ? 2000 : undefined], String(status))
    assert.deepEqual(error.details, { status, body: 'why' })
  }
  reply = (response) => response.destroy()
  assert.equal((await failureOf(run({}, {}))).retryable, true)
  reply = () => {}
  const slow = await failureOf(run({ timeoutMs: 50 }, {}))
  assert.deepEqual([slow.code, slow.retryable], ['outbound_timeout', true])
})

test('an http tool takes the statuses that it expects', async () => {
  reply = (response) => response.writeHead(404).end()
  assert.equal(await run({ expect: ['2xx', 404], output: 'status' }, {}), 404)
})

test('an http tool refuses input that does not fit, and a variable that is not there, without a call', async () => {
  const calls = seen.length
  const inputSchema = { type: 'object', required: ['id'], properties: { id: { type: 'integer' } } }
  assert.equal((await failureOf(run({ inputSchema }, { id: 'x' }))).code, 'tool_input_invalid')
  assert.equal((await failureOf(run({ url: `${server.url}/{{ id }}` }, {}))).code, 'tool_failed')
  assert.equal(seen.length, calls)
})

test('a declaration of an http tool that is wrong is refused, with the field', () => {
  const make = (spec: Partial<HttpToolSpec>) => () =>
    makeHttpTool({ name: 'orders', description: '', url: 'http://x/', ...spec }, { outbound, ...secrets })
  assert.throws(make({ method: 'BREW' }), { code: 'tool_invalid', message: /^tool orders: method: / })
  assert.throws(make({ url: 'http://x/{{ a' }), { code: 'tool_invalid', message: /url/ })
  assert.throws(make({ headers: { 'x-a': '{% if %}' } }), { code: 'tool_invalid', message: /headers\.x-a/ })
  assert.throws(make({ body: { jsonata: 'a[' } }), { code: 'tool_invalid', message: /body/ })
  assert.throws(make({ output: '(' }), { code: 'tool_invalid', message: /output/ })
  assert.throws(make({ inputSchema: { type: 'nothing' } }), { code: 'tool_schema_invalid' })
})

test('an http tool sends secrets by their names, and tells where they go', async () => {
  reply = json({ ok: true })
  const headers = { 'X-Key': { $secret: 'KEY' }, authorization: { $secret: 'TOKEN', prefix: 'Bearer ' } }
  await run({ url: `${server.url}/{{ id }}`, headers }, { id: 7 })
  assert.equal(last().headers['x-key'], SECRET)
  assert.equal(last().headers.authorization, `Bearer ${SECRET}`)
  const { tenantId } = makeToolCall()
  assert.deepEqual(revealed.at(-1), {
    tenantId,
    projectId: 'p1',
    reference: headers.authorization,
    url: `${server.url}/7`,
  })
})

test('a secret that a service repeats is taken out of the answer and of the error', async () => {
  const headers = { 'x-key': { $secret: 'KEY' } }
  const forms = [SECRET, encodeURIComponent(SECRET), Buffer.from(SECRET).toString('base64')]
  reply = json({ forms })
  assert.deepEqual(await run({ headers }, {}), { forms: ['(secret)', '(secret)', '(secret)'] })
  reply = (response) => response.setHeader('x-echo', forms[1] as string).end(`you sent ${SECRET}`)
  assert.deepEqual(await run({ headers, output: '[headers."x-echo", body]' }, {}), ['(secret)', 'you sent (secret)'])
  reply = (response) => response.writeHead(403).end(`wrong key ${SECRET}`)
  const failure = await failureOf(run({ headers }, {}))
  assert.deepEqual([failure.code, failure.details], ['http_refused', { status: 403, body: 'wrong key (secret)' }])
})

test('an http tool with secrets names its host as it is', () => {
  const make = (url: string) => () =>
    makeHttpTool(
      { name: 'orders', description: '', url, headers: { 'x-key': { $secret: 'KEY' } } },
      { outbound, ...secrets },
    )
  for (const url of ['http://{{ host }}/', 'https://api.{{ tld }}/x', 'https://api.example{{ path }}'])
    assert.throws(make(url), { code: 'tool_invalid', message: /url: must name its host/ }, url)
  for (const url of ['https://api.example/{{ path }}', 'https://api.example:8443?q={{ q }}', 'https://api.example'])
    assert.doesNotThrow(make(url), url)
})
