import assert from 'node:assert/strict'
import type http from 'node:http'
import os from 'node:os'
import test, { after, before, describe } from 'node:test'
import { type FakeClock, makeFakeClock } from '../../platform/clock.ts'
import type { Json } from '../../platform/json.ts'
import { makeOutbound, type Outbound } from '../../platform/outbound/outbound.ts'
import { failureOf, makeToolCall, readText, startServer, type TestServer } from '../testing.ts'
import type { ToolCall } from '../tool.ts'
import { makeBuiltinSkills } from './builtin.ts'

let server: TestServer
let outbound: Outbound
const clock: FakeClock = makeFakeClock()
let answer: http.RequestListener = () => {}

before(async () => {
  server = await startServer((request, response) => answer(request, response))
  outbound = makeOutbound({ allow: [new URL(server.url).host], timeoutMs: 30_000, maxResponseBytes: 10_000 })
})
after(async () => {
  await outbound.stop()
  server.stop()
})

const run = (name: string, input: Json, call: Partial<ToolCall> = {}): Promise<Json> => {
  const [skillName, toolName] = name.split('/')
  const skills = makeBuiltinSkills({ filesRoot: os.tmpdir(), outbound, clock })
  const tool = skills.find((s) => s.name === skillName)?.tools.find((t) => t.name === toolName)
  assert.ok(tool, name)
  return tool.run(input, makeToolCall(call))
}

describe('builtin skills', () => {
  test('have distinct names, descriptions and object schemas for models', () => {
    const skills = makeBuiltinSkills({ filesRoot: os.tmpdir(), outbound })
    assert.deepEqual(
      skills.map((s) => s.name),
      ['core', 'data', 'files', 'http', 'text'],
    )
    for (const skill of skills)
      for (const tool of skill.tools) assert.ok(tool.description.length > 20 && /^[a-z_]+$/.test(tool.name))
  })

  test('refuse input that does not fit, before anything happens', async () => {
    const refused: [string, Json][] = [
      ['data/transform', {}],
      ['text/template', { template: 1 }],
      ['files/read', { path: 'x', colour: 1 }],
      ['http/request', { url: 'x', method: 'BREW' }],
      ['core/sleep', { ms: -1 }],
      ['core/sleep', null],
      ['core/fail', { attempts: 'two' }],
      ['http/request', { url: 'http://x', expect: ['ok'] }],
    ]
    for (const [name, input] of refused)
      assert.equal((await failureOf(run(name, input))).code, 'tool_input_invalid', name)
  })
})

describe('core', () => {
  test('echo returns its input, noop returns null', async () => {
    assert.deepEqual(await run('core/echo', { a: [1] }), { a: [1] })
    assert.equal(await run('core/noop', { a: [1] }), null)
  })

  test('fail fails as asked, and only on as many attempts as asked', async () => {
    const error = await failureOf(run('core/fail', { message: 'no', attempts: 2, retryAfterMs: 50 }, { attempt: 2 }))
    assert.deepEqual([error.message, error.retryable, error.retryAfterMs], ['no', true, 50])
    assert.deepEqual(await run('core/fail', { attempts: 2 }, { attempt: 3 }), { attempt: 3 })
    assert.equal((await failureOf(run('core/fail', { retryable: false }))).retryable, false)
  })

  test('sleep takes its time, tells that it lives, and stops when told', async () => {
    let beats = 0
    const sleeping = run('core/sleep', { ms: 2500 }, { heartbeat: () => beats++ })
    for (let i = 0; i < 3; i++) {
      clock.advance(999)
      await new Promise(setImmediate)
      clock.advance(1)
      await new Promise(setImmediate)
    }
    assert.deepEqual(await sleeping, { sleptMs: 2500 })
    assert.equal(beats, 3)
    const abort = new AbortController()
    const stopped = run('core/sleep', { ms: 60_000 }, { signal: abort.signal })
    abort.abort(new Error('enough'))
    await assert.rejects(stopped, { message: 'enough' })
  })
})

describe('data and text', () => {
  test('transform evaluates an expression over its input', async () => {
    assert.equal(
      await run('data/transform', {
        expression: '$sum(items.price) * $rate',
        input: { items: [{ price: 1 }, { price: 2 }] },
        variables: { rate: 10 },
      }),
      30,
    )
    assert.equal((await failureOf(run('data/transform', { expression: 'a[' }))).code, 'jsonata_syntax')
  })

  test('template renders its data', async () => {
    assert.equal(await run('text/template', { template: 'Dear {{ name }}', data: { name: 'Ada' } }), 'Dear Ada')
  })
})

describe('http request', () => {
  test('sends JSON with the idempotency key and parses the answer', async () => {
    answer = async (request, response) => {
      const body = JSON.parse(await readText(request)) as Json
      response.setHeader('content-type', 'application/vnd.x+json; charset=utf-8')
      response.end(
        JSON.stringify({
          body,
          key: request.headers['idempotency-key'],
          type: request.headers['content-type'],
          method: request.method,
        }),
      )
    }
    const result = (await run('http/request', { url: server.url, method: 'POST', body: { a: 1 } })) as Record<
      string,
      Json
    >
    assert.deepEqual(
      [result.status, result.body],
      [200, { body: { a: 1 }, key: 'key-1', type: 'application/json', method: 'POST' }],
    )
  })

  test('gives text as text and nothing as null', async () => {
    answer = (_, response) => response.end('plain')
    assert.equal(((await run('http/request', { url: server.url })) as { body: Json }).body, 'plain')
    answer = (_, response) => response.end()
    assert.equal(((await run('http/request', { url: server.url })) as { body: Json }).body, null)
  })

  test('takes statuses as told', async () => {
    answer = (_, response) => response.writeHead(404).end('no')
    const error = await failureOf(run('http/request', { url: `${server.url}/a?token=secret` }))
    assert.deepEqual([error.code, error.retryable, error.details], ['http_refused', false, { status: 404, body: 'no' }])
    assert.doesNotMatch(error.message, /secret/)
    for (const expect of [[404], ['4xx']])
      assert.equal(((await run('http/request', { url: server.url, expect })) as { status: number }).status, 404)
    answer = (_, response) => response.writeHead(302, { location: 'http://127.0.0.1/' }).end()
    assert.equal((await failureOf(run('http/request', { url: server.url }))).code, 'http_refused')
  })

  test('asks for another try when the service is busy or broken', async () => {
    const waits: [string, number | undefined][] = [
      ['3', 3000],
      [new Date(clock.now() + 5000).toUTCString(), 5000],
      ['Thu, 01 Jan 1970 00:00:00 GMT', 0],
      ['soon', undefined],
      ['99999999', 86_400_000],
    ]
    for (const [header, waitMs] of waits) {
      answer = (_, response) => response.writeHead(429, { 'retry-after': header }).end()
      const error = await failureOf(run('http/request', { url: server.url }))
      assert.deepEqual([error.code, error.retryable, error.retryAfterMs], ['http_unavailable', true, waitMs], header)
    }
    answer = (_, response) => response.writeHead(503).end()
    assert.equal((await failureOf(run('http/request', { url: server.url }))).retryable, true)
    answer = (_, response) => response.destroy()
    assert.equal((await failureOf(run('http/request', { url: server.url }))).retryable, true)
  })

  test('refuses an answer that says it is JSON and is not', async () => {
    answer = (_, response) => response.setHeader('content-type', 'application/json').end('{')
    assert.equal((await failureOf(run('http/request', { url: server.url }))).code, 'http_answer_invalid')
  })

  test('reaches nothing internal', async () => {
    for (const url of ['http://localhost:1/', 'http://169.254.169.254/latest/meta-data/', 'http://[::1]/'])
      assert.equal((await failureOf(run('http/request', { url }))).code, 'outbound_blocked', url)
  })
})
