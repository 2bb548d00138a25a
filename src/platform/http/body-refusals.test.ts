import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { makeLog } from '../log.ts'
import { makeHttpServer } from './server.ts'

test('a refused body is told what is wrong with it: its encoding, its syntax, or a key that no object may have', async (t) => {
  const server = await makeHttpServer({
    log: makeLog('silent'),
    makeId: randomUUID,
    bodyLimitBytes: 1000,
    version: '0',
    authenticate: () => assert.fail('the route is open'),
    routes: [(made) => made.post('/v1/x', { config: { public: true } }, async ({ body }) => body)],
  })
  t.after(() => server.close())
  const post = async (payload: string | Buffer, headers: Record<string, string> = {}) => {
    const answer = await server.inject({
      ...{ method: 'POST', url: '/v1/x', payload },
      headers: { 'content-type': 'application/json', ...headers },
    })
    return [answer.statusCode, answer.json().code, answer.json().detail]
  }
  const [status, code, detail] = await post(gzipSync('{"a":1}'), { 'content-encoding': 'gzip' })
  assert.deepEqual([status, code], [415, 'content_encoding_unsupported'])
  assert.match(detail, /gzip/)
  assert.equal((await post('{"a":1}', { 'content-encoding': 'identity' }))[0], 200)
  for (const text of ['{"__proto__":{"a":1}}', '{"a":{"constructor":{"prototype":{}}}}'])
    assert.match((await post(text))[2], /__proto__/, text)
  assert.deepEqual((await post('{"a":')).slice(0, 2), [400, 'json_malformed'])
})
