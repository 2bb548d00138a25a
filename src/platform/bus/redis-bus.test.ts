import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  connectRedis,
  eventually,
  randomPrefix,
  startRedis,
  testRedisClusterTarget,
  testRedisTarget,
} from '../../../test/support/redis.ts'
import { until } from '../../../test/support/until.ts'
import { systemClock } from '../clock.ts'
import type { Json } from '../json.ts'
import type { RedisTarget } from '../redis/connection.ts'
import { makeRedisWire } from './redis-wire.ts'
import { makeWireBus } from './wire-bus.ts'

const TARGETS: readonly (readonly [string, () => RedisTarget])[] = [
  ['one Redis', testRedisTarget],
  ['a Redis Cluster', testRedisClusterTarget],
]

for (const [name, target] of TARGETS) {
  test(`over ${name} a message reaches its process, and an ask is acknowledged by all`, async (t) => {
    const prefix = randomPrefix()
    const heard: Json[] = []
    let acted = 0
    const buses = await Promise.all(
      ['a', 'b', 'c'].map(async (id) => {
        const redis = await connectRedis(target(), t)
        const bus = makeWireBus({
          ...{ wire: makeRedisWire(redis), id, clock: systemClock, prefix, helloEveryMs: 50, askTimeoutMs: 5000 },
          onError: () => {},
        })
        bus.on('topic', (message) => heard.push([id, message]))
        bus.on('ask', () => void acted++)
        t.after(() => bus.stop())
        await bus.start()
        return bus
      }),
    )
    await eventually('the others to be known', async () => {
      acted = 0
      await buses[0]!.ask('ask', null)
      return acted === 2
    })
    buses[0]!.send('b', 'topic', 1)
    buses[0]!.broadcast('topic', 2)
    await until('three deliveries', () => heard.length === 3)
    assert.deepEqual(
      heard.toSorted((x, y) => JSON.stringify(x).localeCompare(JSON.stringify(y))),
      [
        ['b', 1],
        ['b', 2],
        ['c', 2],
      ],
    )
  })
}

test('a bus goes on by itself after Redis was away, and says that messages may have been lost', async (t) => {
  const server = await startRedis()
  t.after(() => server.stop())
  const heard: Json[] = []
  let gaps = 0
  const [a, b] = await Promise.all(
    ['a', 'b'].map(async (id) => {
      const redis = await connectRedis({ mode: 'single', port: server.port }, t)
      const bus = makeWireBus({
        ...{ wire: makeRedisWire(redis), id, clock: systemClock, prefix: 'test', helloEveryMs: 50 },
        onError: () => {},
      })
      bus.on('topic', (message) => heard.push(message))
      bus.onGap(() => void gaps++)
      t.after(() => bus.stop())
      await bus.start()
      return bus
    }),
  )
  await until('both to know each other', () => gaps >= 2)
  const before = gaps
  await server.kill()
  a!.send('b', 'topic', 'lost')
  await server.start()
  await until('both to be told', () => gaps >= before + 2)
  await until('messages to arrive again', () => {
    a!.send('b', 'topic', 'again')
    return heard.includes('again')
  })
  void b
})
