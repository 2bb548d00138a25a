import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connectRedis, testRedisClusterTarget } from '../../../test/support/redis.ts'
import { slotOf } from './hash-tags.ts'

test('slotOf() gives the slot that Redis gives', async (t) => {
  const redis = await connectRedis(testRedisClusterTarget(), t)
  for (const tag of ['tasks', 'tasks.0', 'ä', '123456789', '']) {
    assert.equal(slotOf(tag), await redis.client.cluster('KEYSLOT', tag), tag)
  }
})
