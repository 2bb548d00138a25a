import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import net from 'node:net'
import test, { after, before, beforeEach, describe } from 'node:test'
import { promisify } from 'node:util'
import zlib from 'node:zlib'
import { until } from '../../../test/support/until.ts'
import type { Lookup } from './connect.ts'
import { makeOutbound, type Outbound } from './outbound.ts'

type Handler = (request: http.IncomingMessage, response: http.ServerResponse) => void

const requests: string[] = []
/** Answers that the server is still giving. */
const open = new Set<http.ServerResponse>()
const handlers: Record<string, Handler> = {
  '/hello': (_, response) => response.setHeader('set-cookie', ['a=1', 'b=2']).end('hello'),
  '/echo': (request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString()
      response.end(JSON.stringify({ method: request.method, headers: request.headers, body }))
    })
  },
  '/redirect': (_, response) => response.writeHead(302, { location: '/hello' }).end('moved'),
  '/missing': (_, response) => response.writeHead(404).end('no'),
  '/large': (_, response) => response.end('x'.repeat(2_000_000)),
  '/endless': (_, response) => {
    const timer = setInterval(() => response.write('x'.repeat(10_000)), 1)
    response.on('close', () => clearInterval(timer))
  },
  '/endless-gzip': (_, response) => {
    const gzip = zlib.createGzip()
    gzip.pipe(response.setHeader('content-encoding', 'gzip'))
    const timer = setInterval(() => gzip.write(randomBytes(10_000)), 1)
    response.on('close', () => clearInterval(timer))
  },
  '/silent': () => {},
  '/half': (_, response) => void response.write('half'),
  '/broken': (_, response) => {
    response.write('half')
    setTimeout(() => response.destroy(), 20)
  },
  '/bomb': (_, response) => response.setHeader('content-encoding', 'gzip').end(bomb),
  '/garbage': (_, response) => response.setHeader('content-encoding', 'gzip').end('not gzip'),
  '/twice': (_, response) => response.setHeader('content-encoding', 'gzip, gzip').end('x'),
  '/none': (_, response) => response.writeHead(204, { 'content-encoding': 'gzip' }).end(),
  '/events': (_, response) => {
    response.write('one;')
    setTimeout(() => response.end('two;'), 30)
  },
}
for (const [name, compress] of Object.entries({
  gzip: zlib.gzipSync,
  deflate: zlib.deflateSync,
  br: zlib.brotliCompressSync,
  zstd: zlib.zstdCompressSync,
}))
  handlers[`/${name}`] = (_, response) => response.setHeader('content-encoding', name).end(compress('packed'))

const bomb = zlib.gzipSync(Buffer.alloc(50_000_000))
const server = http.createServer((request, response) => {
  requests.push(request.url ?? '')
  open.add(response)
  response.on('close', () => open.delete(response))
  handlers[request.url ?? '']?.(request, response)
})
let port = 0
let base = ''
let outbound: Outbound

before(async () => {
  await promisify((done: () => void) => server.listen(0, '127.0.0.1', done))()
  port = (server.address() as AddressInfo).port
  base = `http://127.0.0.1:${port}`
  outbound = makeOutbound({ allow: [`127.0.0.1:${port}`], timeoutMs: 30_000, maxResponseBytes: 1_000_000 })
})
after(async () => {
  await outbound.stop()
  server.closeAllConnections()
  server.close()
})
beforeEach(() => {
  requests.length = 0
})

describe('outbound fetch()', () => {
  test('gives status, headers and body', async () => {
    const answer = await outbound.fetch(`${base}/hello`)
    assert.deepEqual([answer.status, answer.text(), answer.headers['set-cookie']], [200, 'hello', 'a=1, b=2'])
    assert.equal((await outbound.fetch(`${base}/missing`)).status, 404)
    assert.equal((await outbound.fetch(`${base}/none`)).body.length, 0)
  })

  test('sends method, headers and body', async () => {
    const answer = await outbound.fetch(`${base}/echo`, { method: 'put', headers: { 'X-One': '1' }, body: 'ü' })
    const echo = answer.json() as { method: string; headers: Record<string, string>; body: string }
    assert.deepEqual([echo.method, echo.headers['x-one'], echo.body], ['PUT', '1', 'ü'])
  })

  test('does not follow a redirect', async () => {
    const answer = await outbound.fetch(`${base}/redirect`)
    assert.deepEqual([answer.status, answer.headers.location], [302, '/hello'])
    assert.deepEqual(requests, ['/redirect'])
  })

  test('decodes what is encoded', async () => {
    for (const name of ['gzip', 'deflate', 'br', 'zstd'])
      assert.equal((await outbound.fetch(`${base}/${name}`)).text(), 'packed', name)
  })

  test('refuses URLs, methods and headers that cannot be sent', async () => {
    const bad: [string, Parameters<Outbound['fetch']>[1]?][] = [
      ['nonsense'],
      ['file:///etc/passwd'],
      ['ftp://example.com/'],
      [`http://u:p@127.0.0.1:${port}/hello`],
      [`${base}/hello`, { headers: { Host: 'other' } }],
      [`${base}/hello`, { headers: { 'transfer-encoding': 'chunked' } }],
      [`${base}/hello`, { headers: { 'x-a': 'b\r\nx-c: d' } }],
      [`${base}/hello`, { headers: { 'x a': 'b' } }],
      [`${base}/hello`, { method: 'GET /x' }],
      [`${base}/hello`, { method: 'CONNECT' }],
    ]
    for (const [url, request] of bad)
      await assert.rejects(
        outbound.fetch(url, request),
        { code: 'outbound_invalid', retryable: false },
        JSON.stringify([url, request]),
      )
    assert.deepEqual(requests, [])
  })

  test('tells a host that refuses, breaks off or sends garbage', async () => {
    const closed = net.createServer()
    await promisify((done: () => void) => closed.listen(0, '127.0.0.1', done))()
    const closedPort = (closed.address() as AddressInfo).port
    await promisify((done: () => void) => closed.close(done))()
    const lenient = makeOutbound({ allow: ['127.0.0.1'], timeoutMs: 30_000, maxResponseBytes: 1000 })
    await assert.rejects(lenient.fetch(`http://127.0.0.1:${closedPort}/`), {
      code: 'outbound_failed',
      retryable: true,
      message: /ECONNREFUSED/,
    })
    await lenient.stop()
    for (const path of ['/broken', '/garbage', '/twice'])
      await assert.rejects(outbound.fetch(base + path), { code: 'outbound_failed' }, path)
  })
})

describe('outbound limits', () => {
  test('end a call that takes too long, before the headers or in the body', async () => {
    for (const path of ['/silent', '/half', '/endless']) {
      const call = outbound.fetch(base + path, { timeoutMs: 100, maxResponseBytes: 1e9 })
      await assert.rejects(call, { code: 'outbound_timeout', retryable: true }, path)
    }
  })

  test('end an answer that is too large, also when it unfolds only here', async () => {
    for (const path of ['/large', '/endless', '/bomb'])
      await assert.rejects(outbound.fetch(base + path), { code: 'outbound_too_large', retryable: false }, path)
    await assert.rejects(outbound.fetch(`${base}/hello`, { maxResponseBytes: 4 }), { code: 'outbound_too_large' })
    assert.equal((await outbound.fetch(`${base}/hello`, { maxResponseBytes: 5 })).text(), 'hello')
  })

  test('hold little memory while a bomb unfolds', async () => {
    global.gc?.()
    const before = process.memoryUsage()
    await outbound.fetch(`${base}/bomb`).catch(() => {})
    const grown =
      process.memoryUsage().arrayBuffers + process.memoryUsage().external - before.arrayBuffers - before.external
    assert.ok(grown < 20_000_000, `${grown} bytes`)
  })

  test('leave no connection open behind a call that was cut', async () => {
    const paths = ['/silent', '/half', '/endless', '/bomb', '/large']
    for (const path of paths) await outbound.fetch(base + path, { timeoutMs: 100 }).catch(() => {})
    // These two are not cut by time: whoever stops reading lets go of the connection.
    const patient = { timeoutMs: 60_000 }
    await assert.rejects(outbound.fetch(`${base}/endless-gzip`, patient), { code: 'outbound_too_large' })
    const left = await outbound.stream(`${base}/endless`, patient)
    await left.body.return()
    await until('all connections to be closed', () => open.size === 0)
  })

  test('give way to the caller who aborts', async () => {
    const abort = new AbortController()
    const call = outbound.fetch(`${base}/silent`, { signal: abort.signal })
    setTimeout(() => abort.abort(new Error('enough')), 50)
    await assert.rejects(call, { message: 'enough' })
    await assert.rejects(outbound.fetch(`${base}/hello`, { signal: abort.signal }), { message: 'enough' })
  })
})

describe('outbound guard', () => {
  const guarded = (allow: string[] = [], lookup?: Lookup): Outbound =>
    makeOutbound({ allow, timeoutMs: 30_000, maxResponseBytes: 1000, ...(lookup && { lookup }) })

  test('blocks internal addresses in every spelling', async () => {
    const one = guarded()
    const hosts = [
      '127.0.0.1',
      '2130706433',
      '0x7f000001',
      '0177.0.0.1',
      '127.1',
      '0',
      '[::1]',
      '[::ffff:127.0.0.1]',
      '[::ffff:7f00:1]',
      'localhost',
      '169.254.169.254',
      '10.0.0.1',
      '①②⑦.⓪.⓪.①',
    ]
    for (const host of hosts)
      await assert.rejects(
        one.fetch(`http://${host}:${port}/hello`),
        { code: 'outbound_blocked', retryable: false },
        host,
      )
    assert.deepEqual(requests, [])
    await one.stop()
  })

  test('blocks a name that resolves to an internal address, and does not tell to which', async () => {
    const one = guarded([], async () => [{ address: '127.0.0.1', family: 4 }])
    await assert.rejects(one.fetch(`http://evil.example:${port}/hello`), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'outbound_blocked')
      assert.doesNotMatch(error.message, /127/)
      return true
    })
    assert.deepEqual(requests, [])
    await one.stop()
  })

  test('connects to the very address that was checked, so that rebinding gains nothing', async () => {
    const answers = ['192.0.2.1', '127.0.0.1']
    let lookups = 0
    // 192.0.2.1 stands for a public address that does not answer.
    const one = makeOutbound({
      allow: ['192.0.2.1'],
      timeoutMs: 300,
      maxResponseBytes: 1000,
      lookup: async () => [{ address: answers[lookups++] ?? '127.0.0.1', family: 4 }],
    })
    await assert.rejects(
      one.fetch(`http://evil.example:${port}/hello`),
      (e: Error & { code?: string }) => e.code !== 'outbound_blocked',
    )
    assert.equal(lookups, 1)
    await assert.rejects(one.fetch(`http://evil.example:${port}/hello`), { code: 'outbound_blocked' })
    assert.equal(lookups, 2)
    assert.deepEqual(requests, [])
    await one.stop()
  })

  test('takes of several addresses only those that are allowed', async () => {
    const lookup: Lookup = async () => [
      { address: '127.0.0.2', family: 4 },
      { address: '127.0.0.1', family: 4 },
    ]
    const one = guarded(['127.0.0.1'], lookup)
    assert.equal((await one.fetch(`http://mixed.example:${port}/hello`)).text(), 'hello')
    await one.stop()
  })

  test('lets through what the allow-list names: host, host and port, range, everything', async () => {
    for (const allow of ['localhost', `localhost:${port}`, '127.0.0.0/8', '*']) {
      const one = guarded([allow], async () => [{ address: '127.0.0.1', family: 4 }])
      assert.equal((await one.fetch(`http://localhost:${port}/hello`)).text(), 'hello', allow)
      await one.stop()
    }
    const other = guarded([`localhost:${port + 1}`])
    await assert.rejects(other.fetch(`http://localhost:${port}/hello`), { code: 'outbound_blocked' })
    await other.stop()
  })

  test('tells a name that does not resolve', async () => {
    const one = guarded([], async () => {
      throw Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' })
    })
    await assert.rejects(one.fetch('http://nowhere.example/'), { code: 'outbound_failed', message: /ENOTFOUND/ })
    await one.stop()
  })
})

describe('outbound stream()', () => {
  test('hands out the body while it comes', async () => {
    const { body } = await outbound.stream(`${base}/events`)
    const decoder = new TextDecoder()
    const parts: string[] = []
    for await (const chunk of body) parts.push(decoder.decode(chunk))
    assert.deepEqual(parts, ['one;', 'two;'])
  })

  test('breaks off with an error, never as if it had ended', async () => {
    const { body } = await outbound.stream(`${base}/broken`)
    await assert.rejects(Array.fromAsync(body), { code: 'outbound_failed' })
  })
})

describe('outbound asFetch()', () => {
  test('is a fetch', async () => {
    const fetch = outbound.asFetch()
    const answer = await fetch(`${base}/echo`, {
      method: 'POST',
      body: '{"a":1}',
      headers: { 'x-one': '1', host: 'other' },
    })
    assert.ok(answer.ok && answer.url === `${base}/echo`)
    const echo = (await answer.json()) as { method: string; headers: Record<string, string>; body: string }
    assert.deepEqual([echo.method, echo.headers['x-one'], echo.body], ['POST', '1', '{"a":1}'])
    assert.equal(echo.headers.host, `127.0.0.1:${port}`)
    assert.equal(await (await fetch(new Request(`${base}/gzip`))).text(), 'packed')
    assert.equal((await fetch(new URL(`${base}/none`))).status, 204)
    assert.equal((await fetch(`${base}/redirect`)).status, 302)
  })

  test('streams, under its own limits', async () => {
    const fetch = outbound.asFetch({ timeoutMs: 2000, maxResponseBytes: 1e9 })
    const answer = await fetch(`${base}/endless`)
    await assert.rejects(answer.text(), { code: 'outbound_timeout' })
    const left = await fetch(`${base}/endless`)
    await left.body?.cancel()
  })

  test('is guarded', async () => {
    await assert.rejects(outbound.asFetch()(`http://localhost:${port}/hello`), { code: 'outbound_blocked' })
  })
})

test('outbound stop() ends what is under way and refuses what comes', async () => {
  const one = makeOutbound({ allow: ['127.0.0.1'], timeoutMs: 30_000, maxResponseBytes: 1000 })
  const call = assert.rejects(one.fetch(`${base}/silent`), { code: 'outbound_stopped' })
  await new Promise((resolve) => setTimeout(resolve, 50))
  await one.stop()
  await call
  await assert.rejects(one.fetch(`${base}/hello`), { code: 'outbound_stopped' })
})
