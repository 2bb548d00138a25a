/** What the BullMQ adapter does beyond the contract of the port. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inReverse, openBullmqQueue, type TestQueue, taskOf } from '../../../test/support/bullmq.ts'
import { type RedisServer, startRedis, testRedisClusterTarget, testRedisTarget } from '../../../test/support/redis.ts'
import { until } from '../../../test/support/until.ts'
import { PARTITIONS } from './queue.ts'

test('BullMQ queue: a lower rank goes first within its priority, and no rank before a higher priority', async (t) => {
  const { queue } = await openBullmqQueue(t, testRedisTarget())
  await queue.add([
    taskOf('second', { rank: 5 }),
    taskOf('third', { rank: 5000 }),
    taskOf('first', { rank: 0 }),
    taskOf('high', { priority: 2, rank: 1023 }),
  ])
  const seen: string[] = []
  queue.consume({ partition: 'tasks', concurrency: 1, handle: async ({ id }) => void seen.push(id) })
  await until('all jobs', () => seen.length === 4)
  assert.deepEqual(seen, ['high', 'first', 'second', 'third'])
})

test('BullMQ queue: ended jobs are kept, and their ids are free again', async (t) => {
  const { queue, redis, prefix } = await openBullmqQueue(t, testRedisTarget())
  const handle = async ({ id }: { id: string }): Promise<void> => {
    if (id === 'bad') throw new Error('no')
  }
  queue.consume({ partition: 'tasks', concurrency: 1, handle })
  const ended = async (): Promise<number[]> => [
    await redis.client.zcard(`${prefix}:{tasks}:completed`),
    await redis.client.zcard(`${prefix}:{tasks}:failed`),
  ]
  await queue.add([taskOf('good'), taskOf('bad')])
  await until('both to end', async () => (await ended()).join() === '1,1')
  assert.deepEqual(await redis.client.keys(`${prefix}:{tasks}:de:*`), [])
  await queue.add([taskOf('good'), taskOf('bad')])
  await until('both to end again', async () => (await ended()).join() === '2,2')
  await queue.add([taskOf('later', { delayMs: 60_000 })])
  assert.equal(await queue.remove('tasks', 'later'), true)
  assert.deepEqual(await redis.client.keys(`${prefix}:{tasks}:de:*`), [])
})

test('BullMQ queue: adds of one tick go to Redis together', async (t) => {
  const { queue, redis } = await openBullmqQueue(t, testRedisTarget())
  await queue.add([taskOf('first')])
  let calls = 0
  const { pipeline } = redis.client
  redis.client.pipeline = (...given: []) => {
    calls++
    return pipeline.apply(redis.client, given)
  }
  await Promise.all(Array.from({ length: 50 }, (_, i) => queue.add([taskOf(`job-${i}`)])))
  assert.equal(calls, 1)
  assert.equal((await queue.counts('tasks')).waiting, 51)
})

test('BullMQ queue: reserve() takes at most half of the places, and the rest is for jobs', async (t) => {
  const { queue } = await openBullmqQueue(t, testRedisTarget())
  const release: (() => void)[] = []
  const handle = () => new Promise<void>((resolve) => void release.push(resolve))
  const consumer = queue.consume({ partition: 'tasks', concurrency: 4, handle })
  const places = [consumer.reserve(), consumer.reserve(), consumer.reserve()]
  assert.deepEqual(
    places.map((place) => place !== undefined),
    [true, true, false],
  )
  await queue.add(Array.from({ length: 6 }, (_, i) => taskOf(`job-${i}`)))
  await until('the other places to be taken', () => release.length === 2)
  await new Promise((resolve) => setTimeout(resolve, 100))
  assert.equal(release.length, 2)
  assert.equal(consumer.reserve(), undefined)
  // None of the running jobs ends: the places given back must be filled all the same.
  for (const place of places) place?.()
  await until('the places given back to be taken', () => release.length === 4)
  consumer.pause()
  for (const finish of release) finish()
})

test('BullMQ queue: a consumer paused while it waits takes nothing, and leaves the job to the others at once', async (t) => {
  const paused = await openBullmqQueue(t, testRedisTarget())
  const other = await openBullmqQueue(t, testRedisTarget(), { prefix: paused.prefix })
  const seen: string[] = []
  const consume = ({ queue }: TestQueue, name: string) =>
    queue.consume({ partition: 'tasks', concurrency: 1, handle: async ({ id }) => void seen.push(`${name} ${id}`) })
  const first = consume(paused, 'first')
  await until('the first consumer', () => first.isReady())
  await other.queue.add([taskOf('a')])
  await until('the job', () => seen.length === 1)
  await new Promise((resolve) => setTimeout(resolve, 100))
  first.pause()
  // Both wait at Redis now, the paused one for longer: it is woken first.
  const second = consume(other, 'second')
  await until('the second consumer', () => second.isReady())
  await new Promise((resolve) => setTimeout(resolve, 100))
  await other.queue.add([taskOf('b')])
  await until('the job', () => seen.length === 2, { limitMs: 5000 })
  assert.deepEqual(seen, ['first a', 'second b'])
})

test('BullMQ queue: splits share the jobs out over all masters, and all are handled once', async (t) => {
  const { queue, redis, prefix } = await openBullmqQueue(t, testRedisClusterTarget(), { splits: 3 })
  const ids = Array.from({ length: 300 }, (_, i) => `job-${i}`)
  await queue.add(ids.map((id) => taskOf(id)))
  await queue.add(ids.map((id) => taskOf(id)))
  assert.equal((await queue.counts('tasks')).waiting, 300)
  const perMaster = await Promise.all(
    redis.client.isCluster && 'nodes' in redis.client
      ? redis.client.nodes('master').map(async (node) => (await node.keys(`${prefix}:*:prioritized`)).length)
      : [],
  )
  assert.deepEqual(perMaster, [1, 1, 1])
  assert.equal(await queue.remove('tasks', 'job-7'), true)
  assert.ok((await queue.age('tasks', -1000)) > 100)
  let running = 0
  let most = 0
  const seen: string[] = []
  const handle = async ({ id }: { id: string }): Promise<void> => {
    most = Math.max(most, ++running)
    await new Promise((resolve) => setTimeout(resolve, 1))
    running--
    seen.push(id)
  }
  queue.consume({ partition: 'tasks', concurrency: 7, handle })
  await until('all jobs', () => seen.length === 299)
  assert.equal(new Set(seen).size, 299)
  assert.ok(most <= 7, `${most} at a time`)
  await until('nothing to run', async () => (await queue.counts('tasks')).active === 0)
})

const commandsSince = async (server: RedisServer): Promise<number> => {
  const stats = String(await server.command('info', 'commandstats'))
  return [...stats.matchAll(/calls=(\d+)/g)].reduce((sum, [, calls]) => sum + Number(calls), 0)
}

test('BullMQ queue: an idle process with a consumer for each partition costs Redis under 20 commands a second', async (context) => {
  const t = inReverse(context)
  const server = await startRedis()
  t.after(() => server.stop())
  const { queue } = await openBullmqQueue(t, { mode: 'single', port: server.port })
  for (const partition of PARTITIONS) {
    const consumer = queue.consume({ partition, concurrency: 50, handle: async () => {} })
    await until('the consumer', () => consumer.isReady())
  }
  await server.command('config', 'resetstat')
  const before = await commandsSince(server)
  const sinceMs = performance.now()
  await new Promise((resolve) => setTimeout(resolve, 11_000))
  const perSecond = ((await commandsSince(server)) - before) / ((performance.now() - sinceMs) / 1000)
  context.diagnostic(`${perSecond.toFixed(1)} commands a second, those inside of scripts included`)
  assert.ok(perSecond < 20, `${perSecond} commands a second`)
  assert.ok(perSecond > 0.5, 'nothing was counted')
})
