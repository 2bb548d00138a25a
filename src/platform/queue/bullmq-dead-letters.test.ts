import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { connectRedis, randomPrefix, testRedisClusterTarget } from '../../../test/support/redis.ts'
import { makeDeadLetterQueue } from './bullmq-dead-letters.ts'

const letterOf = (id: string, reason = 'no more attempts') => ({
  ...{ id, tenantId: 'tenant-a', taskId: `task-${id}`, kind: 'agent', reason },
})

const open = async (t: TestContext, max?: number) => {
  const redis = await connectRedis(testRedisClusterTarget(), t)
  const prefix = randomPrefix()
  const letters = makeDeadLetterQueue({ redis, prefix, ...(max ? { max } : {}) })
  t.after(() => letters.stop())
  return { redis, prefix, letters }
}

test('the dead-letter queue holds each letter once, until it is removed', async (t) => {
  const { letters } = await open(t)
  await letters.add([letterOf('a'), letterOf('b')])
  await letters.add([letterOf('b'), letterOf('c')])
  assert.deepEqual(await letters.ids(), ['c', 'b', 'a'])
  await letters.remove(['b', 'unknown'])
  assert.deepEqual(await letters.ids(), ['c', 'a'])
})

test('a dead letter is a job with the id of the letter, under the hash tag of the queue', async (t) => {
  const { redis, prefix, letters } = await open(t)
  await letters.add([letterOf('a', 'x'.repeat(5000))])
  const data = JSON.parse((await redis.client.hget(`${prefix}:{dlq}:a`, 'data')) ?? '{}')
  assert.deepEqual({ ...data, reason: '' }, { ...letterOf('a'), reason: '' })
  assert.equal(data.reason.length, 1000)
})

test('the dead-letter queue keeps the newest', async (t) => {
  const { redis, prefix, letters } = await open(t, 3)
  await letters.add(['a', 'b'].map((id) => letterOf(id)))
  await letters.add(['c', 'd', 'e'].map((id) => letterOf(id)))
  assert.deepEqual(await redis.client.lrange(`${prefix}:{dlq}:wait`, 0, -1), ['e', 'd', 'c'])
  assert.equal(await redis.client.exists(`${prefix}:{dlq}:a`), 0)
})
