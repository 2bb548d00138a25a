/** The edge's configuration, as a local cluster takes it. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { localConfig } from '../../cluster/nginx.ts'

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
