import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { wholeFile } from '../../../test/support/cleanup.ts'
import { connectRedis, randomPrefix, testRedisClusterTarget } from '../../../test/support/redis.ts'
import { type RedisServer, startRedis } from '../../../test/support/redis-server.ts'
import { makeFakeClock, systemClock } from '../clock.ts'
import { makeLog } from '../log.ts'
import { testRateLimiter } from './conformance.ts'
import { makeFallbackLimiter } from './fallback-limiter.ts'
import { makeMemoryLimiter } from './memory-limiter.ts'
import type { RateDecision } from './rate-limiter.ts'
import { makeRedisLimiter } from './redis-limiter.ts'

let server: RedisServer
before(async () => {
  server = await startRedis(wholeFile)
})

testRateLimiter({ name: 'memory', make: (clock) => makeMemoryLimiter({ clock }) })
testRateLimiter({
  name: 'Redis',
  make: async (clock) => makeRedisLimiter({ redis: await server.connect(), clock }),
})

testRateLimiter({
  name: 'Redis Cluster',
  async make(clock) {
    const { client } = await connectRedis(testRedisClusterTarget())
    return makeRedisLimiter({ redis: client, clock, prefix: `${randomPrefix()}:` })
  },
})

test('the memory limiter forgets the keys asked for longest ago', () => {
  const limiter = makeMemoryLimiter({ clock: makeFakeClock(), maxKeys: 2 })
  const take = (key: string) => limiter.take(key, { limit: 1, windowMs: 1000 })
  for (const key of ['a', 'b', 'c']) take(key)
  assert.equal((take('c') as RateDecision).isAllowed, false)
  assert.equal((take('a') as RateDecision).isAllowed, true)
})

test('several connections to Redis share a limit exactly, by the time of Redis', async () => {
  const limiters = await Promise.all([1, 2, 3].map(async () => makeRedisLimiter({ redis: await server.connect() })))
  const policy = { limit: 500, windowMs: 3_600_000 }
  const asked = limiters.flatMap((limiter) => Array.from({ length: 400 }, () => limiter.take('shared', policy)))
  const decisions = await Promise.all(asked)
  assert.equal(decisions.filter(({ isAllowed }) => isAllowed).length, 500)
})

test('every limit is one key with a hash tag, and goes away by itself', async () => {
  const redis = await server.connect()
  await makeRedisLimiter({ redis }).take('tenant:7', { limit: 5, windowMs: 60_000 })
  const [key] = await redis.keys('*tenant:7*')
  assert.equal(key, 'aidos:rate:{1000:tenant:7}')
  const ttlMs = await redis.pttl(key as string)
  assert.ok(ttlMs > 60_000 && ttlMs <= 62_000, String(ttlMs))
})

test('while Redis is away each process limits by itself, and says so; the shared limit is back with it', async () => {
  const redis = await server.connect()
  const said: string[] = []
  const tell = (_: unknown, text?: string) => void said.push(text ?? String(_))
  const clock = makeFakeClock()
  const limiter = makeFallbackLimiter({
    shared: makeRedisLimiter({ redis }),
    local: makeMemoryLimiter({ clock }),
    clock: { now: clock.now, after: systemClock.after },
    log: { ...makeLog('silent'), warn: tell, info: tell },
  })
  const policy = { limit: 2, windowMs: 60_000 }
  const take = async () => (await limiter.take('away', policy)).isAllowed
  assert.deepEqual([await take(), await take(), await take()], [true, true, false])
  assert.equal(limiter.isLocal, false)
  const closed = new Promise((resolve) => redis.once('close', resolve))
  await server.stop()
  await closed
  assert.deepEqual([await take(), await take(), await take()], [true, true, false])
  assert.equal(limiter.isLocal, true)
  assert.equal(limiter.localDecisions, 3)
  const ready = new Promise((resolve) => redis.once('ready', resolve))
  await server.start()
  await ready
  clock.advance(1000)
  assert.equal(await take(), true)
  assert.equal(limiter.isLocal, false)
  assert.match(said.join('\n'), /away[\s\S]*back/)
})

test('while the shared store hangs one request at a time waits for it', async () => {
  const clock = makeFakeClock()
  let asked = 0
  let answer: Promise<RateDecision> = new Promise(() => {})
  const limiter = makeFallbackLimiter({
    shared: {
      take() {
        asked++
        return answer
      },
    },
    ...{ local: makeMemoryLimiter({ clock }), clock, log: makeLog('silent') },
  })
  const policy = { limit: 100, windowMs: 60_000 }
  const take = async () => (await limiter.take('k', policy)).remaining
  const first = take()
  clock.advance(250)
  assert.equal(await first, 99)
  clock.advance(1000)
  const trying = take()
  assert.deepEqual(await Promise.all([take(), take(), take()]), [98, 97, 96])
  assert.equal(asked, 2)
  clock.advance(250)
  assert.equal(await trying, 95)
  answer = Promise.resolve({ isAllowed: true, remaining: 7, resetMs: 1 })
  clock.advance(1000)
  assert.deepEqual(await take(), 7)
  assert.deepEqual(await Promise.all([take(), take(), take()]), [7, 7, 7])
})

test('a process that stood still takes the answer that came meanwhile', async () => {
  const redis = await server.connect()
  const clock = makeFakeClock()
  const limiter = makeFallbackLimiter({
    shared: makeRedisLimiter({ redis }),
    local: makeMemoryLimiter({ clock }),
    clock: systemClock,
    log: makeLog('silent'),
    timeoutMs: 20,
  })
  const asked = limiter.take('still', { limit: 2, windowMs: 60_000 })
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500)
  await asked
  assert.equal(limiter.isLocal, false)
})
