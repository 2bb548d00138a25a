import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Cluster, Redis } from 'ioredis'
import {
  connectRedis,
  eventually,
  randomPrefix,
  startRedis,
  startRedisCluster,
  startRedisWithReplica,
  testRedisClusterTarget,
  testRedisTarget,
} from '../../../test/support/redis.ts'
import { until } from '../../../test/support/until.ts'
import { makeRedis, type RedisTarget } from './connection.ts'

const open = async (t: TestContext, target: RedisTarget) => {
  const said: string[] = []
  const log = { warn: (...words: unknown[]) => void said.push(words.join()), info: () => void said.push('back') }
  const redis = makeRedis({ ...target, log })
  t.after(() => redis.stop())
  await redis.ready()
  let reconnects = 0
  redis.onReconnect(() => reconnects++)
  return { redis, said, reconnects: () => reconnects }
}

for (const [name, target] of [
  ['single', testRedisTarget],
  ['cluster', testRedisClusterTarget],
] as const) {
  test(`makeRedis() reads and writes (${name})`, async (t) => {
    const redis = await connectRedis(target(), t)
    const prefix = randomPrefix()
    await redis.ping()
    for (let i = 0; i < 20; i++) await redis.client.set(`${prefix}:${i}`, i)
    for (let i = 0; i < 20; i++) assert.equal(await redis.client.getdel(`${prefix}:${i}`), `${i}`)
    assert.deepEqual(await redis.check(), [])
  })
}

test('makeRedis() fails commands at once while Redis is away, tells once, and goes on when it is back', async (t) => {
  const server = await startRedis()
  t.after(() => server.stop())
  const { redis, said, reconnects } = await open(t, { mode: 'single', port: server.port })
  const worker = redis.duplicate('worker')
  await redis.client.set('a', 1)
  await server.kill()
  await until('the loss to be seen', () => !redis.isReady())
  // Nothing brings it back meanwhile: whoever waited for it would wait for ever.
  await assert.rejects(redis.client.get('a'), /enableOfflineQueue|Connection is closed/)
  await assert.rejects(redis.ping())
  const late = worker.get('a')
  await new Promise((resolve) => setTimeout(resolve, 1500))
  await server.start()
  assert.equal(await late, '1')
  await until('the reconnection to be told', () => reconnects() === 1)
  assert.equal(await redis.client.get('a'), '1')
  assert.equal(said.length, 2, said.join('\n'))
  assert.equal(said[1], 'back')
})

test('makeRedis() gives up on a Redis that does not answer, and goes on with it later', async (t) => {
  const server = await startRedis()
  t.after(() => server.stop())
  const { redis } = await open(t, { mode: 'single', port: server.port })
  server.freeze()
  // By the time-out of the command, which comes before that of a connection that is silent.
  await assert.rejects(redis.client.get('a'), { message: 'Command timed out' })
  server.thaw()
  await eventually('Redis to answer again', async () => (await redis.client.set('a', 1)) === 'OK')
})

test('check() names the settings under which Redis loses work', async (t) => {
  const server = await startRedis({ settings: { appendonly: 'no', 'maxmemory-policy': 'allkeys-lru' } })
  t.after(() => server.stop())
  const { redis, said } = await open(t, { mode: 'single', port: server.port })
  const warnings = await redis.check()
  assert.equal(warnings.length, 2)
  assert.match(warnings[0]!, /maxmemory-policy "allkeys-lru".*Set "maxmemory-policy noeviction"/)
  assert.match(warnings[1]!, /appendonly "no".*Set "appendonly yes"/)
  assert.deepEqual(said, warnings)
})

test('check() says that it could not look where CONFIG is forbidden', async (t) => {
  const server = await startRedis({ settings: { 'rename-command': 'CONFIG ""' } }).catch(() => undefined)
  const plain = server ?? (await startRedis())
  t.after(() => plain.stop())
  if (!server) await plain.command('acl', 'setuser', 'default', '-config')
  const { redis } = await open(t, { mode: 'single', port: plain.port })
  assert.match(
    (await redis.check()).join('\n'),
    /"maxmemory-policy".*could not be checked[\s\S]*"appendonly".*could not be/,
  )
})

test('makeRedis() signs in with a password, and says why it cannot without', async (t) => {
  const server = await startRedis({ password: 'a secret' })
  t.after(() => server.stop())
  const { redis } = await open(t, { mode: 'single', port: server.port, password: 'a secret' })
  await redis.ping()
  const stranger = makeRedis({ mode: 'single', port: server.port, log: { warn: () => {}, info: () => {} } })
  t.after(() => stranger.stop())
  await assert.rejects(stranger.ready(500), /NOAUTH/)
})

test('makeRedis() speaks TLS with a server whose authority it is told', async (t) => {
  const server = await startRedis({ tls: true, password: 'x' })
  t.after(() => server.stop())
  const target = { mode: 'single', port: server.port, password: 'x', tls: true } as const
  const { redis } = await open(t, { ...target, tlsCaFile: server.caFile! })
  await redis.ping()
  const stranger = makeRedis({ ...target, log: { warn: () => {}, info: () => {} } })
  t.after(() => stranger.stop())
  await assert.rejects(stranger.ready(500), /certificate/)
})

test('makeRedis() follows the sentinels to the new primary', async (t) => {
  const password = 'secret'
  const servers = await startRedisWithReplica({ password })
  t.after(() => servers.stop())
  const { redis, reconnects } = await open(t, { mode: 'sentinel', sentinels: servers.sentinels, password })
  await redis.client.set('a', 1)
  await redis.client.wait(1, 1000)
  await servers.failover()
  await eventually('writes to go on after the change of roles', async () => (await redis.client.set('b', 1)) === 'OK')
  await until('the change to be told', () => reconnects() > 0)
  assert.equal(await redis.client.get('a'), '1')
})

test('makeRedis() follows a cluster through the death of a master', async (t) => {
  const cluster = await startRedisCluster()
  t.after(() => cluster.stop())
  const nodes = cluster.nodes.map(({ host, port }) => ({ host, port }))
  const { redis, reconnects } = await open(t, { mode: 'cluster', nodes: nodes.slice(0, 2) })
  for (let i = 0; i < 30; i++) await redis.client.set(`key-${i}`, i)
  const master = await cluster.masterOf(0)
  await master.command('wait', 1, 2000)
  const others = cluster.nodes.filter((node) => node !== master)
  const mayFailOver = (is: boolean) =>
    Promise.all(others.map((node) => node.command('config', 'set', 'cluster-replica-no-failover', is ? 'no' : 'yes')))
  await mayFailOver(false)
  await cluster.kill(master)
  const all = async (): Promise<boolean> => {
    const values = await Promise.all(Array.from({ length: 30 }, (_, i) => redis.client.get(`key-${i}`)))
    return values.every((value, i) => value === `${i}`)
  }
  // There is no new master before that, however long somebody waits.
  await assert.rejects(all())
  await mayFailOver(true)
  await eventually('all keys to be there again', all)
  await until('the failover to be told', () => reconnects() > 0)
})

test('makeRedis() goes on when word of a failover comes while it is looking for the new primary', async (t) => {
  const servers = await startRedisWithReplica()
  t.after(() => servers.stop())
  const { redis } = await open(t, { mode: 'sentinel', sentinels: servers.sentinels })
  const client = redis.client as Redis
  const { connector, stream } = client as unknown as {
    connector: { failoverDetector: { disconnect(): void } | null }
    stream: { destroy(): void }
  }
  await until('its ear at the sentinels', () => connector.failoverDetector !== null)
  const ended = new Promise((resolve) => client.once('end', resolve))
  // The connection broke with the primary, and what the sentinels say of it comes a moment later.
  client.once('connecting', () => connector.failoverDetector?.disconnect())
  stream.destroy()
  await ended
  await eventually('Redis to answer again', async () => (await client.set('a', 1)) === 'OK')
})

test('makeRedis() finds the new primary when the one before answers a script itself after a failover', async (t) => {
  const cluster = await startRedisCluster({ masters: 3 })
  t.after(() => cluster.stop())
  const { redis } = await open(t, { mode: 'cluster', nodes: cluster.nodes.map(({ host, port }) => ({ host, port })) })
  const client = redis.client as Cluster
  const count = () => client.eval("return redis.call('incr', KEYS[1])", 1, 'key')
  await count()
  const slot = Number(await client.cluster('KEYSLOT', 'key'))
  const before = await cluster.masterOf(slot)
  const connection = client.nodes('master').find((node) => node.options.port === before.port)
  // As ioredis leaves a connection to a node that it took for a replica: what is asked there is not sent on.
  await connection?.readonly()
  const replicas = await Promise.all(
    cluster.nodes.map(async (node) => {
      const [role, , port] = (await node.command('role')) as [string, string, number]
      return role === 'slave' && port === before.port ? node : undefined
    }),
  )
  await replicas.find((node) => node !== undefined)?.command('cluster', 'failover', 'takeover')
  // It does not look by itself: what it learns it learns from the error.
  const { options, ...inner } = client as unknown as {
    options: { slotsRefreshInterval: number }
    slotsTimer: NodeJS.Timeout
  }
  options.slotsRefreshInterval = 1e9
  clearTimeout(inner.slotsTimer)
  const errors: string[] = []
  // Until the failover is over the count goes on at the one before.
  await eventually('the change of roles', async () => (await cluster.masterOf(slot)).port !== before.port)
  await eventually('scripts to find the new primary', async () => {
    try {
      return Number(await count()) > 1
    } catch (error) {
      errors.push((error as Error).message)
      return false
    }
  })
  assert.match(errors[0] ?? '', /^READONLY/)
})

test('a client of a cluster ends though a late redirect brought back a node meanwhile', async (t) => {
  const redis = await connectRedis(testRedisClusterTarget(), t)
  const client = redis.duplicate('blocking') as Cluster
  await client.get('a')
  const [node] = client.nodes('master')
  const ended = new Promise((resolve) => client.once('end', resolve))
  client.disconnect()
  const pool = (client as unknown as { connectionPool: { findOrCreate(node: object): void } }).connectionPool
  pool.findOrCreate({ host: node?.options.host, port: node?.options.port })
  await ended
})
