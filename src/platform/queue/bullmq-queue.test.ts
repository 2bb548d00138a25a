import { before } from 'node:test'
import { wholeFile } from '../../../test/support/cleanup.ts'
import {
  connectRedis,
  type RedisWithReplica,
  randomPrefix,
  startRedisWithReplica,
  testRedisClusterTarget,
  testRedisTarget,
} from '../../../test/support/redis.ts'
import type { RedisConnection, RedisTarget } from '../redis/connection.ts'
import { makeBullmqQueue } from './bullmq-queue.ts'
import { describeQueue } from './conformance.ts'

const describeOn = (name: string, target: () => RedisTarget): void => {
  let redis: Promise<RedisConnection> | undefined
  describeQueue({
    name: `BullMQ queue (${name})`,
    async open(errors) {
      redis ??= connectRedis(target(), wholeFile)
      return makeBullmqQueue({
        redis: await redis,
        prefix: randomPrefix(),
        lockMs: 15_000,
        onError: (error) => errors.push(error),
        log: { warn: (...words: unknown[]) => void errors.push(words) },
      })
    },
  })
}

let servers: RedisWithReplica
before(async () => {
  servers = await startRedisWithReplica()
  wholeFile.after(() => servers.stop())
})

describeOn('one Redis', testRedisTarget)
describeOn('Redis behind Sentinel', () => ({
  mode: 'sentinel',
  sentinels: servers.sentinels,
  sentinelName: servers.name,
}))
describeOn('Redis Cluster', testRedisClusterTarget)
