import { wholeFile } from '../../../test/support/cleanup.ts'
import { connectRedis, randomPrefix, testRedisClusterTarget, testRedisTarget } from '../../../test/support/redis.ts'
import type { RedisConnection, RedisTarget } from '../redis/connection.ts'
import { makeLocalWindow } from './local-window.ts'
import { makeRedisWindow } from './redis-window.ts'
import type { Window } from './window.ts'
import { describeWindow } from './window-conformance.ts'

const local = new WeakMap<object, Window>()
describeWindow({
  name: 'local window',
  async open({ clock, windowSize, group }) {
    const window = local.get(group) ?? makeLocalWindow({ clock, windowSize })
    local.set(group, window)
    return window
  },
})

const describeOn = (name: string, target: () => RedisTarget): void => {
  let redis: Promise<RedisConnection> | undefined
  const prefixes = new WeakMap<object, string>()
  describeWindow({
    name: `Redis window (${name})`,
    async open({ group, ...options }) {
      redis ??= connectRedis(target(), wholeFile)
      const prefix = prefixes.get(group) ?? randomPrefix()
      prefixes.set(group, prefix)
      return makeRedisWindow({ redis: await redis, prefix, ...options })
    },
  })
}

describeOn('one Redis', testRedisTarget)
describeOn('Redis Cluster', testRedisClusterTarget)
