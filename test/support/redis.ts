/** Redis for tests: the run's own servers, which all files share, and servers that a test starts to do them harm. */
import { randomUUID } from 'node:crypto'
import { makeRedis, type RedisConnection, type RedisTarget } from '../../src/platform/redis/connection.ts'
import { type Cleanup, wholeFile } from './cleanup.ts'

export { startRedisCluster } from './redis-cluster.ts'
export { eventually, type RedisServer, startRedis } from './redis-process.ts'
export { type RedisWithReplica, startRedisWithReplica } from './redis-sentinel.ts'

const given = (name: string): string => {
  const value = process.env[name]
  if (value) return value
  throw new Error(`${name} is not set: this test needs Redis. Run it by "npm test -- <file>", which starts one.`)
}

/** Where the run's single server is. */
export const testRedisTarget = (): RedisTarget => {
  const url = new URL(given('AIDOS_TEST_REDIS_URL'))
  return { mode: 'single', host: url.hostname, port: Number(url.port) }
}

/** Where the run's cluster of three masters and three replicas is. */
export const testRedisClusterTarget = (): RedisTarget => ({
  mode: 'cluster',
  nodes: given('AIDOS_TEST_REDIS_CLUSTER')
    .split(',')
    .map((node) => ({ host: node.split(':')[0]!, port: Number(node.split(':')[1]) })),
})

/** A connected client, closed when the test ends. Without `log` the connection's reports go nowhere. */
export const connectRedis = async (target: RedisTarget, t: Cleanup = wholeFile): Promise<RedisConnection> => {
  const redis = makeRedis({ ...target, log: { warn: () => {}, info: () => {} } })
  t.after(() => redis.stop())
  await redis.ready()
  return redis
}

/** Before a test's keys: the servers are shared and never flushed. A test that flushes starts a server of its own. */
export const randomPrefix = (): string => `test-${randomUUID().slice(0, 13)}`
