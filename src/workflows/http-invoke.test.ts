import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import type { Json, JsonObject } from '../platform/json.ts'
import { makeOutbound } from '../platform/outbound/outbound.ts'
import { encodeForm } from './http-form.ts'
import { makeHttpInvoke } from './http-invoke.ts'

const CONNECTION = 'arn:aws:events:eu-west-1:123456789012:connection/crm/1'

/** A server that tells what it was sent; the path says what it answers. */
const setUp = async (t: TestContext) => {
  const server = createServer(async (request, response) => {
    const body = Buffer.concat((await Array.fromAsync(request)) as Buffer[]).toString()
    const url = new URL(request.url ?? '', 'http://x')
    const status = Number(url.pathname.slice(1)) || 200
    const seen = { method: request.method, query: [...url.searchParams], headers: request.headers, body }
    response.writeHead(status, { 'content-type': 'application/json', 'x-told': 'k-secret' }).end(JSON.stringify(seen))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => new Promise((resolve) => server.close(resolve).closeAllConnections()))
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const outbound = makeOutbound({ allow: [host], timeoutMs: 30_000, maxResponseBytes: 100_000 })
  t.after(() => outbound.stop())
  const connections = { [CONNECTION]: { headers: { 'X-Api-Key': 'k-secret' }, query: { key: 'q-secret' } } }
  const handler = makeHttpInvoke({ outbound, connections })
  const signal = new AbortController().signal
  const call = {
    taskId: 't',
    tenantId: 'n',
    projectId: null,
    attempt: 1,
    idempotencyKey: 'once',
    signal,
    heartbeat: () => {},
  }
  const invoke = (path: string, more: JsonObject = {}): Promise<Json> =>
    handler({ ApiEndpoint: `http://${host}/${path}`, Method: 'POST', ...more }, call)
  return { invoke, handler, call }
}

interface Seen {
  readonly method: string
  readonly query: [string, string][]
  readonly headers: Record<string, string>
  readonly body: string
}

const seenBy = (answer: Json): Seen => (answer as unknown as { ResponseBody: Seen }).ResponseBody

test('http:invoke sends method, headers, query and body, and gives the answer as the service does', async (t) => {
  const { invoke } = await setUp(t)
  const answer = await invoke('', { Headers: { A: 'b' }, QueryParameters: { q: ['x y', '2'] }, RequestBody: { n: 1 } })
  const { StatusCode, Headers } = answer as JsonObject
  assert.deepEqual([StatusCode, (Headers as JsonObject)['content-type']], [200, ['application/json']])
  const seen = seenBy(answer)
  assert.deepEqual(
    [seen.method, seen.query, seen.body],
    [
      'POST',
      [
        ['q', 'x y'],
        ['q', '2'],
      ],
      '{"n":1}',
    ],
  )
  const { a, 'content-type': type, 'idempotency-key': key } = seen.headers
  assert.deepEqual([a, type, key], ['b', 'application/json; charset=UTF-8', 'once'])
})

test('a connection adds what it holds, wins over the parameters, and shows up in no answer', async (t) => {
  const { invoke } = await setUp(t)
  const Authentication = { ConnectionArn: CONNECTION }
  const answer = await invoke('', {
    Authentication,
    Headers: { 'x-api-key': 'mine' },
    QueryParameters: { key: 'mine' },
  })
  assert.equal(seenBy(answer).headers['x-api-key'], '***')
  assert.deepEqual(seenBy(answer).query, [['key', '***']])
  assert.ok(!JSON.stringify(answer).includes('secret'), JSON.stringify(answer))
  await assert.rejects(invoke('500', { Authentication }), (error: Error) => !error.message.includes('secret'))
  await assert.rejects(invoke('', { Authentication: { ConnectionArn: 'other' } }), { code: 'States.Runtime' })
})

test('errors are those of the service: by status, of the socket, of what cannot be sent', async (t) => {
  const { invoke, handler, call } = await setUp(t)
  await assert.rejects(invoke('404'), { code: 'States.Http.StatusCode.404' })
  await assert.rejects(invoke('302'), { code: 'States.Http.StatusCode.302' })
  const gone = createServer()
  await new Promise<void>((resolve) => gone.listen(0, '127.0.0.1', resolve))
  const host = `127.0.0.1:${(gone.address() as AddressInfo).port}`
  await new Promise((resolve) => gone.close(resolve))
  const outbound = makeOutbound({ allow: [host], timeoutMs: 30_000, maxResponseBytes: 1000 })
  t.after(() => outbound.stop())
  const other = makeHttpInvoke({ outbound, connections: {} })
  await assert.rejects(other({ ApiEndpoint: `http://${host}` }, call), { code: 'States.Http.Socket' })
  await assert.rejects(handler({ ApiEndpoint: 'http://127.0.0.1:1/' }, call), { code: 'States.Runtime' })
})

test('a body is sent as a form where Transform says so, with lists as it says', async (t) => {
  const { invoke } = await setUp(t)
  const Transform = { RequestBodyEncoding: 'URL_ENCODED', RequestEncodingOptions: { ArrayFormat: 'BRACKETS' } }
  const seen = seenBy(await invoke('', { RequestBody: { a: ['x', 'y'], b: { c: 1 } }, Transform }))
  assert.equal(seen.headers['content-type'], 'application/x-www-form-urlencoded')
  assert.deepEqual(
    [...new URLSearchParams(seen.body)],
    [
      ['a[]', 'x'],
      ['a[]', 'y'],
      ['b[c]', '1'],
    ],
  )
  const list = (ArrayFormat?: string) =>
    decodeURIComponent(encodeForm({ a: [1, 2] }, ArrayFormat ? { ArrayFormat } : undefined))
  assert.deepEqual([list(), list('REPEAT'), list('COMMAS')], ['a[0]=1&a[1]=2', 'a=1&a=2', 'a=1,2'])
})
