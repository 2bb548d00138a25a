/** The BullMQ adapter through outages. Whoever adds jobs adds them again after one, as admission does from the database. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  inReverse,
  openBullmqQueue,
  type TestQueue,
  type TestQueueOptions,
  taskOf,
} from '../../../test/support/bullmq.ts'
import type { Cleanup } from '../../../test/support/cleanup.ts'
import {
  eventually,
  startRedis,
  startRedisCluster,
  startRedisWithReplica,
  testRedisTarget,
} from '../../../test/support/redis.ts'
import { until } from '../../../test/support/until.ts'
import type { RedisTarget } from '../redis/connection.ts'
import { stalledIntervalMs } from './bullmq-worker.ts'
import type { Consumer } from './queue.ts'

/**
 * Two processes, each with a producer and a consumer. `settle` adds again what is not done until all of it is: the
 * database's part. Handled twice is allowed, lost is not.
 */
const startLoad = async (t: Cleanup, target: RedisTarget, options: TestQueueOptions = {}) => {
  const first = await openBullmqQueue(t, target, options)
  const second = await openBullmqQueue(t, target, { ...options, prefix: first.prefix })
  const done = new Set<string>()
  const wanted = new Set<string>()
  const handle = async ({ id }: { id: string }): Promise<void> => {
    await new Promise((resolve) => setTimeout(resolve, 5))
    done.add(id)
  }
  const consumers = [first, second].map(({ queue }) => queue.consume({ partition: 'tasks', concurrency: 6, handle }))
  const add = async (ids: readonly string[]): Promise<void> => {
    for (const id of ids) wanted.add(id)
    // A refusal is what an outage looks like to a producer.
    await first.queue.add(ids.map((id) => taskOf(id))).catch(() => {})
  }
  const open = (): string[] => [...wanted].filter((id) => !done.has(id))
  const settle = async (): Promise<void> => {
    await until(
      'all jobs to be done',
      async () => {
        const left = open()
        if (left.length > 0) await first.queue.add(left.map((id) => taskOf(id))).catch(() => {})
        return left.length === 0
      },
      { everyMs: 25 },
    )
  }
  const ready = (): Promise<true> =>
    until('the consumers to be ready', () => consumers.every((consumer: Consumer) => consumer.isReady()))
  await ready()
  return { first, second, consumers, done, add, open, settle, ready }
}

/** Some jobs every few milliseconds while `harm` goes on. */
const during = async (add: (ids: string[]) => Promise<void>, harm: () => Promise<unknown>): Promise<void> => {
  let over = false
  const harmed = harm().finally(() => {
    over = true
  })
  for (let i = 0; !over; i++) {
    void add([`during-${i}-a`, `during-${i}-b`])
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  await harmed
}

const goesOn = async ({ add, settle, ready, first }: Awaited<ReturnType<typeof startLoad>>): Promise<void> => {
  await settle()
  await ready()
  await add(['after'])
  await settle()
  await eventually('nothing to be left', async () => {
    const counts = await first.queue.counts('tasks')
    return counts.waiting + counts.delayed === 0
  })
}

test('BullMQ queue: a restart of Redis in the middle of a load stops nothing for good', async (context) => {
  const t = inReverse(context)
  const server = await startRedis()
  t.after(() => server.stop())
  const load = await startLoad(t, { mode: 'single', port: server.port }, { lockMs: 2000 })
  await during(load.add, async () => {
    await new Promise((resolve) => setTimeout(resolve, 200))
    await server.kill()
    await until('the loss to be seen', () => load.consumers.every((consumer) => !consumer.isReady()))
    await assert.rejects(load.first.queue.add([taskOf('refused')]), { code: 'queue_away', retryable: true })
    await server.start()
  })
  await goesOn(load)
})

test('BullMQ queue: a FLUSHALL in the middle of a load loses nothing that is added again', async (context) => {
  const t = inReverse(context)
  const server = await startRedis()
  t.after(() => server.stop())
  const load = await startLoad(t, { mode: 'single', port: server.port })
  await during(load.add, async () => {
    for (let i = 0; i < 5; i++) {
      await new Promise((resolve) => setTimeout(resolve, 100))
      await server.command('flushall')
    }
  })
  await goesOn(load)
})

test('BullMQ queue: idle consumers take what is added after a FLUSHALL', async (context) => {
  const t = inReverse(context)
  const server = await startRedis()
  t.after(() => server.stop())
  const load = await startLoad(t, { mode: 'single', port: server.port })
  await server.command('flushall')
  await load.add(['a'])
  // By itself a consumer looks again after ten seconds.
  await until('the job to be done', () => load.open().length === 0, { limitMs: 5000 })
})

test('BullMQ queue: a Redis that does not answer for a while stops nothing for good', async (context) => {
  const t = inReverse(context)
  const server = await startRedis()
  t.after(() => server.stop())
  const load = await startLoad(t, { mode: 'single', port: server.port }, { lockMs: 2000 })
  await during(load.add, async () => {
    await new Promise((resolve) => setTimeout(resolve, 100))
    server.freeze()
    await until('the silence to be seen', () => load.consumers.some((consumer) => !consumer.isReady()))
    await new Promise((resolve) => setTimeout(resolve, 1000))
    server.thaw()
  })
  await goesOn(load)
})

test('BullMQ queue: the death of a primary in the middle of a load loses nothing that is added again', async (context) => {
  const t = inReverse(context)
  const servers = await startRedisWithReplica()
  t.after(() => servers.stop())
  const load = await startLoad(t, { mode: 'sentinel', sentinels: servers.sentinels }, { lockMs: 2000 })
  await during(load.add, async () => {
    await new Promise((resolve) => setTimeout(resolve, 200))
    await servers.killPrimary()
  })
  await goesOn(load)
})

test('BullMQ queue: the death of a master in the middle of a load loses nothing that is added again', async (context) => {
  const t = inReverse(context)
  const cluster = await startRedisCluster()
  t.after(() => cluster.stop())
  const nodes = cluster.nodes.map(({ host, port }) => ({ host, port }))
  const load = await startLoad(t, { mode: 'cluster', nodes }, { splits: 3, lockMs: 2000 })
  await during(load.add, async () => {
    await new Promise((resolve) => setTimeout(resolve, 200))
    const master = await cluster.masterOf(0)
    await cluster.kill(master)
    await eventually('the failover', async () => (await cluster.masterOf(0)) !== master)
  })
  await goesOn(load)
})

test('BullMQ queue: with a password and TLS', async (context) => {
  const t = inReverse(context)
  const server = await startRedis({ password: 'a secret', tls: true })
  t.after(() => server.stop())
  const target = {
    mode: 'single',
    port: server.port,
    password: 'a secret',
    tls: true,
    tlsCaFile: server.caFile!,
  } as const
  const load = await startLoad(t, target)
  await load.add(['a', 'b'])
  await load.settle()
})

test('BullMQ queue: stop() ends within seconds while Redis is away', async (context) => {
  const t = inReverse(context)
  const server = await startRedis()
  t.after(() => server.stop())
  const { consumers, first }: { consumers: readonly Consumer[]; first: TestQueue } = await startLoad(t, {
    mode: 'single',
    port: server.port,
  })
  await server.kill()
  await until('the loss to be seen', () => !first.redis.isReady())
  const began = Date.now()
  await Promise.all(consumers.map((consumer) => consumer.stop()))
  await first.queue.stop()
  assert.ok(Date.now() - began < 30_000, `it took ${Date.now() - began} ms`)
})

test('BullMQ queue: the job of a dead process is given again within its lock and five seconds', async (context) => {
  const t = inReverse(context)
  for (const ms of [1000, 30_000, 600_000]) assert.ok(stalledIntervalMs(ms) <= 5000, 'it is looked for too seldom')
  const lockMs = 3000
  const dying = await openBullmqQueue(t, testRedisTarget(), { lockMs })
  const living = await openBullmqQueue(t, testRedisTarget(), { lockMs, prefix: dying.prefix })
  let release = (): void => {}
  const seen: string[] = []
  const hold = ({ id }: { id: string }) => {
    seen.push(`dying ${id}`)
    return new Promise<void>((resolve) => {
      release = resolve
    })
  }
  dying.queue.consume({ partition: 'tasks', concurrency: 1, handle: hold })
  await dying.queue.add([taskOf('a')])
  await until('the start', () => seen.length === 1)
  living.queue.consume({ partition: 'tasks', concurrency: 1, handle: async ({ id }) => void seen.push(`living ${id}`) })
  // As long as it lives, its lock is renewed.
  await new Promise((resolve) => setTimeout(resolve, 2 * lockMs))
  assert.deepEqual(seen, ['dying a'])
  await dying.redis.stop()
  await until('the second start', () => seen.length === 2)
  assert.deepEqual(seen, ['dying a', 'living a'])
  release()
})
