/** Messages that were lost without an outage that anybody noticed: whoever has missed some says so. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connectRedis, randomPrefix, testRedisClusterTarget, testRedisTarget } from '../../../test/support/redis.ts'
import { until } from '../../../test/support/until.ts'
import { makeFakeClock, systemClock } from '../clock.ts'
import type { Json } from '../json.ts'
import type { RedisTarget } from '../redis/connection.ts'
import { makeRedisWire } from './redis-wire.ts'
import { makeWireBus, type Wire } from './wire-bus.ts'

/** Two buses, and a wire that swallows what `isLost` names. */
const setUp = async (isLost: (channel: string) => boolean) => {
  const clock = makeFakeClock()
  const ears = new Map<string, ((text: string) => void)[]>()
  const wire: Wire = {
    async publish(channel, text) {
      if (isLost(channel)) return
      for (const hear of ears.get(channel) ?? []) setImmediate(() => hear(text))
    },
    async subscribe(channels, hear) {
      for (const channel of channels) ears.set(channel, [...(ears.get(channel) ?? []), hear])
    },
    subscribeAgain: async () => {},
    listeners: async (channels) => channels.map(() => 1),
    showLife: async () => {},
    showsLife: async (channels) => channels.map(() => true),
    onReconnect: () => {},
    stop: async () => {},
  }
  const gaps: string[] = []
  const errors: unknown[] = []
  const heard: Json[] = []
  const [a, b] = ['a', 'b'].map((id) => {
    const bus = makeWireBus({ wire, id, clock, prefix: 'test', onError: (error) => errors.push(error) })
    bus.onGap(() => gaps.push(id))
    bus.on('topic', (message) => heard.push(message))
    return bus
  }) as [ReturnType<typeof makeWireBus>, ReturnType<typeof makeWireBus>]
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve))
    clock.advance(200)
  }
  await a.start()
  await b.start()
  await settle()
  gaps.length = 0
  return { a, ears, gaps, errors, heard, settle }
}

for (const [title, channel, say] of [
  ['to it', 'test:bus:b', 'send'],
  ['to all', 'test:bus', 'broadcast'],
] as const) {
  test(`a process that has missed messages ${title} says so once, when it hears the next`, async () => {
    let isLost = false
    const { a, gaps, heard, settle } = await setUp((on) => isLost && on === channel)
    const tell = async (message: Json): Promise<void> => {
      if (say === 'send') a.send('b', 'topic', message)
      else a.broadcast('topic', message)
      await settle()
    }
    await tell(1)
    isLost = true
    await tell(2)
    await tell(3)
    isLost = false
    assert.deepEqual(gaps, [])
    await tell(4)
    await tell(5)
    assert.deepEqual([heard, gaps], [[1, 4, 5], ['b']])
  })
}

test('what is no message, as from another program on the same channel, harms nobody', async () => {
  const { a, ears, errors, heard, settle } = await setUp(() => false)
  for (const text of ['no JSON', 'null', '{}', '{"from":"x"}', '{"from":"x","messages":[1]}'])
    for (const hear of ears.get('test:bus') ?? []) hear(text)
  a.send('b', 'topic', 1)
  await settle()
  assert.deepEqual([heard, errors.length], [[1], 10])
})

const TARGETS: readonly (readonly [string, () => RedisTarget])[] = [
  ['one Redis', testRedisTarget],
  ['a Redis Cluster', testRedisClusterTarget],
]

for (const [name, target] of TARGETS) {
  test(`a cut of the connection that listens alone is a gap, over ${name}`, async (t) => {
    const prefix = randomPrefix()
    const subscribers: ReturnType<typeof connectionOf>[] = []
    const connectionOf = (client: unknown) =>
      client as { disconnect(again: boolean): void; subscriber?: { getInstance(): { disconnect(): void } } }
    let gaps = 0
    const [a, b] = await Promise.all(
      ['a', 'b'].map(async (id) => {
        const redis = await connectRedis(target(), t)
        const duplicate: typeof redis.duplicate = (use, connectionName) => {
          const made = redis.duplicate(use, connectionName)
          if (id === 'b') subscribers.push(connectionOf(made))
          return made
        }
        const wire = makeRedisWire({ ...redis, duplicate })
        const bus = makeWireBus({ wire, id, clock: systemClock, prefix, helloEveryMs: 60_000, onError: () => {} })
        if (id === 'b') bus.onGap(() => void gaps++)
        t.after(() => bus.stop())
        await bus.start()
        return bus
      }),
    )
    await until('b to know a', () => gaps > 0)
    await new Promise((resolve) => setTimeout(resolve, 500))
    const before = gaps
    let isTelling = true
    t.after(() => {
      isTelling = false
    })
    const tell = (): void => {
      a!.send('b', 'topic', null)
      if (isTelling) setTimeout(tell, 1)
    }
    tell()
    const [subscriber] = subscribers
    const ofCluster = subscriber?.subscriber?.getInstance()
    if (ofCluster) ofCluster.disconnect()
    else subscriber?.disconnect(true)
    await until('b to say that it has missed some', () => gaps > before)
    void b
  })
}

for (const [name, target] of TARGETS) {
  test(`a process whose subscription was lost hears again, over ${name}`, async (t) => {
    const prefix = randomPrefix()
    const subscribers: { unsubscribe(): Promise<unknown> }[] = []
    let heard = 0
    const open = async (id: string) => {
      const redis = await connectRedis(target(), t)
      const duplicate: typeof redis.duplicate = (use, connectionName) => {
        const made = redis.duplicate(use, connectionName)
        if (id === 'b') subscribers.push(made)
        return made
      }
      const wire = makeRedisWire({ ...redis, duplicate })
      const bus = makeWireBus({ wire, id, clock: systemClock, prefix, helloEveryMs: 100, onError: () => {} })
      t.after(() => bus.stop())
      bus.on('topic', () => void heard++)
      await bus.start()
      return bus
    }
    const a = await open('a')
    await open('b')
    const told = (): boolean => {
      a.send('b', 'topic', null)
      return heard > 0
    }
    await until('b to hear', told)
    await subscribers[0]?.unsubscribe()
    heard = 0
    await until('b to hear again', told)
  })
}
