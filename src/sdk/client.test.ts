import assert from 'node:assert/strict'
import http from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { before, describe, test } from 'node:test'
import { wholeFile } from '../../test/support/cleanup.ts'
import { freePort } from '../../test/support/free-port.ts'
import { makeTempFolder } from '../../test/support/temp-folder.ts'
import { startApp } from '../app.ts'
import { readConfig } from '../config.ts'
import { type Client, makeClient } from './client.ts'
import { ApiError, ConnectionError } from './errors.ts'

const WAITS = {
  StartAt: 'A',
  QueryLanguage: 'JSONata',
  States: {
    A: { Type: 'Task', Resource: 'skill:core/echo', Arguments: { n: 1 }, Next: 'B' },
    B: { Type: 'Task', Resource: 'signal:go', Next: 'C' },
    C: { Type: 'Task', Resource: 'skill:core/echo', Arguments: { n: 2 }, End: true },
  },
}

let client: Client
let url: string
let key: string

before(async () => {
  const AIDOS_DATA_DIR = await makeTempFolder()
  const app = await startApp({
    config: readConfig({ AIDOS_DATA_DIR, PORT: '0', LOG_LEVEL: 'silent', SHUTDOWN_GRACE_MS: '0' }),
  })
  wholeFile.after(() => app.stop())
  url = app.url!
  key = app.key!
  client = makeClient({ url, key })
  await client.workflows.put({ name: 'waits', definition: WAITS })
})

/** Stands between client and server, and can cut all connections that are open. */
const startBreaker = async () => {
  const sockets = new Set<Socket>()
  let streams = 0
  const proxy = http.createServer((request, response) => {
    if (request.url?.endsWith('/stream')) streams++
    const onward = http.request(url + request.url, { method: request.method!, headers: request.headers }, (answer) => {
      response.writeHead(answer.statusCode!, answer.headers)
      answer.pipe(response)
    })
    response.on('close', () => onward.destroy())
    onward.on('error', () => response.destroy())
    request.pipe(onward)
  })
  proxy.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  wholeFile.after(() => void proxy.close())
  return {
    url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    streams: () => streams,
    cut() {
      for (const socket of sockets) socket.destroy()
    },
  }
}

describe('runs.watch()', () => {
  let last = 0
  test('gives every event once and in order over connections that break, and ends with the run', async () => {
    const breaker = await startBreaker()
    const broken = makeClient({ url: breaker.url, key })
    const run = await client.runs.start({ workflow: 'waits' })
    const seen: number[] = []
    const types: string[] = []
    let cuts = 0
    for await (const event of broken.runs.watch(run.id)) {
      seen.push(event.id)
      types.push(event.type)
      if (cuts < 3 && event.type !== 'signal.waiting') {
        cuts++
        breaker.cut()
      }
      if (event.type === 'signal.waiting') await client.runs.signal(run.id, 'go')
    }
    assert.equal(cuts, 3)
    assert.ok(breaker.streams() > 1, 'it connected again')
    assert.equal(types.at(-1), 'run.completed')
    const { items } = await client.runs.events(run.id, { limit: 500 })
    assert.deepEqual(
      seen,
      items.map((event) => event.id),
    )
  })

  test('ends at once where the run has ended and all of it is known', async () => {
    const run = await client.runs.start({ workflow: 'waits' })
    await client.runs.signal(run.id, 'go')
    for await (const { id } of client.runs.watch(run.id)) last = id
    for await (const event of client.runs.watch(run.id, { after: last })) assert.fail(event.type)
  })

  test('stops when told, with the reason', async () => {
    const run = await client.runs.start({ workflow: 'waits' })
    const stop = new AbortController()
    const watching = (async () => {
      for await (const { type } of client.runs.watch(run.id, { signal: stop.signal })) {
        if (type === 'signal.waiting') stop.abort(new Error('enough'))
      }
    })()
    await assert.rejects(watching, { message: 'enough' })
  })

  test('rejects at once for a run that is not there, and after its patience where nobody answers', async () => {
    const first = async (of: Client, patienceMs?: number) => {
      const options = patienceMs === undefined ? {} : { patienceMs }
      for await (const _ of of.runs.watch('0198c0de-0000-7000-8000-000000000000', options)) return
    }
    await assert.rejects(first(client), { code: 'run_not_found' })
    const nobody = makeClient({ url: `http://127.0.0.1:${await freePort()}`, key })
    await assert.rejects(first(nobody, 200), ConnectionError)
  })
})

describe('errors of the client', () => {
  test('carry what the server said: code, status, findings and the id of the request', async () => {
    const error = await client.workflows.put({ name: 'bad', definition: { StartAt: 'A' } }).then(
      () => assert.fail('should be refused'),
      (thrown: unknown) => thrown,
    )
    assert.ok(error instanceof ApiError)
    assert.equal(error.code, 'definition_invalid')
    assert.ok(error.status >= 400 && error.status < 500)
    assert.ok(error.findings && error.findings.length > 0)
    assert.match(error.requestId ?? '', /^[0-9a-f-]{36}$/)
    await assert.rejects(makeClient({ url, key: 'aidos_wrong' }).runs.list(), { code: 'unauthenticated', status: 401 })
  })

  test('an address that is none is refused at once', () => {
    assert.throws(() => makeClient({ url: 'nonsense' }), /the url of the server is "nonsense"; allowed/)
    assert.throws(() => makeClient({} as { url: string }), /http:\/\/127/)
  })

  test('a page that is no JSON is told as such', async () => {
    await assert.rejects(
      makeClient({ url: `${url}/docs/..`, key, fetch: async () => new Response('<html>') }).runs.list(),
      {
        code: 'answer_invalid',
      },
    )
  })
})

test('runs.start() waits for the end as long as it is told, and the same idempotency key gives the same run', async () => {
  const run = await client.runs.start({ workflow: 'waits', idempotencyKey: 'once' }, { waitMs: 50 })
  assert.notEqual(run.status, 'completed')
  const again = await client.runs.start({ workflow: 'waits', idempotencyKey: 'once' })
  assert.equal(again.id, run.id)
  await client.runs.signal(run.id, 'go', { x: 1 })
  for await (const _ of client.runs.watch(run.id));
  assert.deepEqual((await client.runs.find(run.id)).output, { n: 2 })
  const all = (await client.runs.steps(run.id)).items
  assert.ok(all.length >= 3)
  const first = await client.runs.steps(run.id, { limit: 2 })
  const rest = await client.runs.steps(run.id, { cursor: first.nextCursor ?? undefined })
  assert.deepEqual([...first.items, ...rest.items], all)
})

test('keys.list() and projects.list() give a page, and where the next one begins', async () => {
  for (const name of ['one', 'two']) {
    await client.projects.create(name)
    await client.keys.create({ name })
  }
  for (const { list } of [client.keys, client.projects]) {
    const first = await list({ limit: 1 })
    const second = await list({ limit: 1, cursor: first.nextCursor ?? undefined })
    assert.deepEqual([first.items[0]?.name, second.items[0]?.name], ['two', 'one'])
  }
})

test('every timeline is read live from an event on that is named in the address, where no header can be', async () => {
  const run = await client.runs.start({ workflow: 'waits' })
  const task = await client.tasks.create({ kind: 'skill:core/echo', input: 1 })
  for await (const _ of client.tasks.watch(task.id));
  const streams = [`runs/${run.id}`, `tasks/${task.id}`, 'events', 'inbox']
  for (const path of streams) {
    const gone = new AbortController()
    const headers = { authorization: `Bearer ${key}` }
    const answer = await fetch(`${url}/v1/${path}/stream?after=0`, { headers, signal: gone.signal })
    assert.equal(answer.status, 200, path)
    gone.abort()
  }
})
