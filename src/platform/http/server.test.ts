/** What the edge refuses before a domain sees it, and what it tells of its routes. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { connect } from 'node:net'
import { after, before, test } from 'node:test'
import { z } from 'zod'
import { makeLog } from '../log.ts'
import { type HttpServer, makeHttpServer } from './server.ts'
import { jsonSchema } from './views.ts'

let server: HttpServer
let port: number
before(async () => {
  server = await makeHttpServer({
    log: makeLog('silent'),
    makeId: randomUUID,
    bodyLimitBytes: 1_048_576,
    version: '0',
    authenticate: () => ({
      kind: 'key',
      tenantId: 't',
      projectId: null,
      keyId: 'k',
      name: 'a key',
      memberId: null,
      role: null,
      permissions: new Set(['runs:read'] as const),
    }),
    routes: [
      (made) => {
        const body = z.strictObject({ value: jsonSchema })
        const params = z.object({ id: z.string() })
        made.post('/v1/open', { config: { public: true }, schema: { body } }, (request) => request.body)
        made.get('/v1/away', { config: { public: true } }, () => {
          throw Object.assign(new Error('the database system is starting up'), { code: '57P03' })
        })
        made.get(
          '/v1/things/:id',
          { config: { permission: 'runs:read' }, schema: { params } },
          (request) => request.params,
        )
      },
    ],
  })
  port = Number(new URL(await server.listen({ host: '127.0.0.1', port: 0 })).port)
})
after(() => server.close())

const raw = (text: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text))
    let answer = ''
    socket.on('data', (data) => (answer += data))
    socket.on('end', () => resolve(answer))
    socket.on('error', reject)
  })

const problemIn = (answer: string) => {
  assert.match(answer, /content-type: application\/problem\+json/)
  return JSON.parse(answer.slice(answer.indexOf('\r\n\r\n')))
}

for (const [title, request, status, code] of [
  ['headers that are too large', `GET /${'x'.repeat(20_000)} HTTP/1.1\r\nhost: a\r\n\r\n`, 431, 'headers_too_large'],
  ['what is no HTTP', 'hello\r\n\r\n', 400, 'http_malformed'],
] as const) {
  test(`the server answers ${title} with a problem and closes`, async () => {
    const answer = await raw(request)
    assert.ok(answer.startsWith(`HTTP/1.1 ${status} `), answer)
    const problem = problemIn(answer)
    assert.equal(problem.code, code)
    assert.equal(problem.status, status)
    assert.ok(answer.includes(`x-request-id: ${problem.requestId}`))
  })
}

for (const [title, url, status, code] of [
  ['a URL that does not decode', '/v1/things/%ED%A0%80', 400, 'url_malformed'],
  ['a part of the path that is too long', `/v1/things/${'x'.repeat(600)}`, 414, 'url_too_long'],
  ['a NUL character in the path', '/v1/things/a%00b', 400, 'nul_character'],
  ['a NUL character in the query', '/v1/things/a?b=%00', 400, 'nul_character'],
] as const) {
  test(`the server answers ${title} with ${code}`, async () => {
    const answer = await server.inject({ method: 'GET', url })
    assert.equal(answer.statusCode, status, answer.body)
    assert.match(String(answer.headers['content-type']), /^application\/problem\+json/)
    assert.equal(answer.json().code, code)
    assert.ok(answer.body.length < 400, 'the answer repeats what was sent')
  })
}

test('the server refuses a NUL character in a body, and takes the text "%00" and a spelled-out escape', async () => {
  const send = (value: string) => server.inject({ method: 'POST', url: '/v1/open', payload: { value } })
  assert.equal((await send('a\u0000')).json().code, 'nul_character')
  assert.deepEqual((await send('\\u0000 %00')).json(), { value: '\\u0000 %00' })
  assert.equal((await server.inject({ method: 'GET', url: '/v1/things/%2500' })).json().id, '%00')
})

test('a body without its free field is refused', async () => {
  const answer = await server.inject({ method: 'POST', url: '/v1/open', payload: {} })
  assert.equal(answer.json().code, 'request_invalid')
})

test('the bare address leads to the documentation', async () => {
  const answer = await server.inject('/')
  assert.deepEqual([answer.statusCode, answer.headers.location], [302, '/docs'])
  assert.equal((await server.inject('/docs')).statusCode, 200)
})

test('the documentation names what each route demands, and refers to nothing that it does not have', async () => {
  const document = (await server.inject({ method: 'GET', url: '/openapi.json' })).json()
  assert.equal(document.paths['/v1/things/{id}'].get['x-permission'], 'runs:read')
  assert.equal(document.paths['/v1/things/{id}'].get.security, undefined)
  assert.deepEqual(document.paths['/v1/open'].post.security, [])
  assert.ok(!JSON.stringify(document).includes('$ref'))
})

test('a request that meets a database in its restart is told to come back, not that something is broken', async () => {
  const answer = await fetch(`http://127.0.0.1:${port}/v1/away`)
  assert.equal(answer.status, 503)
  assert.equal(answer.headers.get('retry-after'), '1')
  assert.equal(((await answer.json()) as { code: string }).code, 'database_away')
})

test('a field that a route does not know is named without what is in it, which may be a secret in the wrong place', async () => {
  const answer = await server.inject({ method: 'POST', url: '/v1/open', payload: { valeu: 'planted-secret-17' } })
  assert.equal(answer.statusCode, 400)
  assert.match(answer.json().detail, /body\.valeu: is not known here; allowed: value$/)
  assert.ok(!answer.body.includes('planted-secret-17'), answer.body)
})

test('an answer does not grow with the number of wrong fields', async () => {
  const wrong = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`wrong${i}`, i]))
  const answer = await server.inject({ method: 'POST', url: '/v1/open', payload: wrong })
  const { detail, findings } = answer.json()
  assert.equal(findings.length, 50)
  assert.match(detail, /; and 11 more$/)
})
