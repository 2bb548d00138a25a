import assert from 'node:assert/strict'
import { test } from 'node:test'
import Fastify from 'fastify'
import { makeLog } from './log.ts'

const capture = () => {
  const lines: string[] = []
  return { lines, log: makeLog('info', { write: (line) => void lines.push(line) }) }
}

/** As the driver of PostgreSQL hands out the error of a lost connection. */
const brokenConnection = (): Error =>
  Object.assign(new Error('terminating connection due to administrator command'), {
    ...{ code: '57P01', detail: 'the detail', constraint: 'the_rule', severity: 'FATAL' },
    client: { connectionParameters: { password: 'planted-password' }, buffer: 'x'.repeat(10_000) },
  })

test('makeLog() shows of an error what tells about it, and nothing of the connection that hangs on it', () => {
  const { lines, log } = capture()
  log.error({ err: new Error('it failed', { cause: brokenConnection() }) }, 'told')
  assert.equal(lines.length, 1)
  assert.doesNotMatch(lines[0]!, /planted-password|xxxx/)
  const { err } = JSON.parse(lines[0]!)
  assert.equal(err.type, 'Error')
  assert.equal(err.message, 'it failed')
  assert.match(err.stack, /log\.test\.ts/)
  assert.equal(err.cause.code, '57P01')
  assert.equal(err.cause.detail, 'the detail')
  assert.equal(err.cause.constraint, 'the_rule')
  assert.deepEqual(Object.keys(err.cause), ['type', 'message', 'stack', 'code', 'detail', 'constraint'])
})

test('makeLog() shows errors the same way where the HTTP server logs them', async () => {
  const { lines, log } = capture()
  const server = Fastify({ loggerInstance: log })
  server.get('/', async (request) => {
    request.log.error({ err: brokenConnection() }, 'told')
    throw brokenConnection()
  })
  await server.inject('/')
  assert.ok(lines.filter((line) => line.includes('57P01')).length >= 2, lines.join(''))
  assert.doesNotMatch(lines.join(''), /planted-password/)
})

test('makeLog() shows what is thrown and has no text', () => {
  const { lines, log } = capture()
  log.error({ err: Object.create(null) }, 'told')
  assert.deepEqual(JSON.parse(lines[0]!).err, { type: 'object', message: '[object Object]' })
})

test('makeLog() ends a circle of causes', () => {
  const { lines, log } = capture()
  const error: Error & { cause?: unknown } = new Error('round')
  error.cause = error
  log.error({ err: error }, 'told')
  assert.equal(lines.length, 1)
})

test('makeLog() shows why no node of a Redis Cluster answers', () => {
  const { lines, log } = capture()
  log.error({ err: Object.assign(new Error('all failed'), { lastNodeError: new Error('WRONGPASS') }) }, 'told')
  assert.equal(JSON.parse(lines[0]!).err.cause.message, 'WRONGPASS')
})
