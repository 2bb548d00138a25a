/** The edge's configuration, as a local cluster takes it. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { makeLeash } from '../../cluster/leash.ts'
import { localConfig, startNginx } from '../../cluster/nginx.ts'
import { makePorts } from '../../cluster/ports.ts'
import { makeTempFolder } from '../support/temp-folder.ts'

const source = readFileSync(new URL('../../deploy/nginx/nginx.conf', import.meta.url), 'utf8')
const places = { folder: '/tmp/f', logs: '/tmp/l', port: 4321, gatewayPorts: [5001, 5002] }

test('localConfig() keeps how requests are passed on, without TLS and limits per address', () => {
  const text = localConfig(source, places)
  assert.match(text, /server 127\.0\.0\.1:5001 .*\n\s*server 127\.0\.0\.1:5002 /)
  assert.match(text, /listen 127\.0\.0\.1:4321;/)
  assert.match(text, /proxy_next_upstream /)
  assert.doesNotMatch(text, /ssl|limit_req|limit_conn|gateway-\d|listen 80|\/var\/|\/run\//)
})

test('localConfig() refuses a configuration of another form', () => {
  assert.throws(() => localConfig(source.replace(/listen 443/g, 'listen 8443'), places), /another form/)
})

test('nginx says 503 as the API does, and when to come back, while no gateway answers', async (t) => {
  const ports = makePorts()
  const gatewayPort = await ports()
  const gateway = createServer((_, response) => response.end('{}')).listen(gatewayPort, '127.0.0.1')
  const folder = await makeTempFolder()
  const gatewayPorts = [gatewayPort]
  const nginx = await startNginx({ folder, logs: folder, port: await ports(), gatewayPorts, leash: makeLeash() })
  t.after(() => nginx.stop())
  gateway.closeAllConnections()
  await new Promise((resolve) => gateway.close(resolve))
  const answer = await fetch(`${nginx.url}/v1/runs`, { method: 'POST', body: '{}' })
  assert.equal(answer.status, 503)
  assert.equal(answer.headers.get('retry-after'), '2')
  const problem = (await answer.json()) as { status: number; code: string }
  assert.deepEqual([problem.status, problem.code], [503, 'unavailable'])
})
