import assert from 'node:assert/strict'
import test from 'node:test'
import { makeOutboundPolicy } from './policy.ts'

const INTERNAL = [
  '0.0.0.0', '0.1.2.3', '10.0.0.1', '100.64.0.1', '100.100.100.200', '127.0.0.1', '127.255.255.254', '169.254.169.254',
  '169.254.170.2', '172.16.0.1', '172.31.255.255', '192.0.0.192', '192.0.2.1', '192.88.99.1', '192.168.1.1', '198.18.0.1',
  '198.51.100.1', '203.0.113.1', '224.0.0.1', '239.255.255.250', '240.0.0.1', '255.255.255.255', '168.63.129.16',
  '::', '::1', '::127.0.0.1', '::ffff:127.0.0.1', '::ffff:8.8.8.8', '::ffff:0:127.0.0.1', '64:ff9b::7f00:1', '64:ff9b:1::1',
  '100::1', '2001::1', '2001:db8::1', '2002:7f00:1::', 'fc00::1', 'fd00:ec2::254', 'fe80::1', 'fe80::1%eth0', 'fec0::1',
  'ff02::1', '3fff::1', '5f00::1', '4000::1', 'nonsense', '',
] // biome-ignore format: a table

test('the outbound policy refuses every address that is not public', () => {
  const policy = makeOutboundPolicy([])
  for (const address of INTERNAL) assert.equal(policy.allowsAddress(address), false, address)
})

test('the outbound policy allows public addresses', () => {
  const policy = makeOutboundPolicy([])
  for (const address of ['8.8.8.8', '93.184.216.34', '172.32.0.1', '2606:4700::1111', '2a00:1450:4001::1'])
    assert.equal(policy.allowsAddress(address), true, address)
})

test('the outbound policy allows hosts as the operator wrote them, with or without a port', () => {
  const policy = makeOutboundPolicy(['db.Internal', 'localhost:8080', '[::1]:9000', '127.0.0.1:7000', 'bücher.example'])
  const allowed: [string, number][] = [
    ['db.internal', 80],
    ['DB.INTERNAL.', 5432],
    ['localhost', 8080],
    ['::1', 9000],
    ['[::1]', 9000],
    ['127.0.0.1', 7000],
    ['xn--bcher-kva.example', 1],
  ]
  const refused: [string, number][] = [
    ['x.db.internal', 80],
    ['db.internal.example', 80],
    ['localhost', 8081],
    ['::1', 9001],
    ['127.0.0.1', 80],
    ['', 80],
  ]
  for (const [host, port] of allowed) assert.equal(policy.allowsHost(host, port), true, `${host}:${port}`)
  for (const [host, port] of refused) assert.equal(policy.allowsHost(host, port), false, `${host}:${port}`)
  assert.equal(policy.allowsAddress('127.0.0.1'), false)
})

test('the outbound policy allows addresses and ranges, and nothing beside them', () => {
  const policy = makeOutboundPolicy(['10.1.0.0/16', '127.0.0.1', 'fd00::/8'])
  for (const address of ['10.1.2.3', '127.0.0.1', 'fd12::1']) assert.equal(policy.allowsAddress(address), true, address)
  for (const address of ['10.2.0.1', '127.0.0.2', 'fc00::1', '::ffff:127.0.0.1'])
    assert.equal(policy.allowsAddress(address), false, address)
})

test('the outbound policy allows everything when told so', () => {
  const policy = makeOutboundPolicy(['*'])
  assert.ok(policy.allowsHost('anything', 1) && policy.allowsAddress('127.0.0.1'))
})

test('the outbound policy refuses entries that mean nothing', () => {
  for (const entry of ['', 'a b', 'http://x', '1.2.3.0/33', 'host:', 'host:port', '10.0.0.0/8:80', '*.example.com/x'])
    assert.throws(() => makeOutboundPolicy([entry]), { code: 'outbound_invalid' }, entry)
})
