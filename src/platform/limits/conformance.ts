/** What every rate limiter promises; run on each adapter with a clock turned by hand. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { type FakeClock, makeFakeClock } from '../clock.ts'
import type { RateLimiter } from './rate-limiter.ts'

export interface LimiterKind {
  readonly name: string
  make(clock: FakeClock): RateLimiter | Promise<RateLimiter>
}

export const testRateLimiter = ({ name, make }: LimiterKind): void => {
  const setUp = async () => {
    // In the midst of a slot: nothing may depend on where a window begins.
    const clock = makeFakeClock(Date.UTC(2026, 0, 1) + 437)
    const limiter = await make(clock)
    const key = randomUUID()
    const takeMany = async (count: number, limit: number, windowMs = 60_000) => {
      let allowed = 0
      for (let i = 0; i < count; i++) if ((await limiter.take(key, { limit, windowMs })).isAllowed) allowed++
      return allowed
    }
    return { clock, limiter, key, takeMany }
  }

  test(`${name}: allows the limit, then none, and says when the next will be`, async () => {
    const { clock, limiter, key, takeMany } = await setUp()
    const policy = { limit: 3, windowMs: 60_000 }
    assert.deepEqual(await limiter.take(key, policy), { isAllowed: true, remaining: 2, resetMs: 60_000 })
    clock.advance(5000)
    assert.equal(await takeMany(5, 3), 2)
    const refused = await limiter.take(key, policy)
    assert.equal(refused.isAllowed, false)
    assert.equal(refused.remaining, 0)
    assert.ok(refused.resetMs > 55_000 - 1000 && refused.resetMs <= 56_000, String(refused.resetMs))
    clock.advance(refused.resetMs - 1)
    assert.equal(await takeMany(1, 3), 0)
    clock.advance(1)
    assert.equal(await takeMany(2, 3), 1)
  })

  test(`${name}: no window of the policy's length ever has more than the limit, and hardly less when all is used`, async () => {
    const { clock, takeMany } = await setUp()
    const allowedAt: number[] = []
    // Two and a half minutes of asking without end.
    for (let ms = 0; ms < 150_000; ms += 250) {
      const allowed = await takeMany(10, 120)
      for (let i = 0; i < allowed; i++) allowedAt.push(clock.now())
      clock.advance(250)
    }
    const most = Math.max(...allowedAt.map((from) => allowedAt.filter((at) => at >= from && at < from + 60_000).length))
    assert.equal(most, 120)
    // Three windows' worth fit into two and a half minutes from empty, each at most a slot late.
    assert.equal(allowedAt.length, 360)
  })

  test(`${name}: a burst at the end of one minute leaves nothing for the beginning of the next`, async () => {
    const { clock, takeMany } = await setUp()
    clock.advance(59_000)
    assert.equal(await takeMany(200, 100), 100)
    clock.advance(30_000)
    assert.equal(await takeMany(200, 100), 0)
    clock.advance(31_001)
    assert.equal(await takeMany(200, 100), 100)
  })

  test(`${name}: keys and windows do not meet, and a long rest brings all back`, async () => {
    const { clock, limiter, key, takeMany } = await setUp()
    assert.equal(await takeMany(5, 2), 2)
    assert.equal((await limiter.take(`${key}-other`, { limit: 2, windowMs: 60_000 })).isAllowed, true)
    assert.equal(await takeMany(5, 4, 1000), 4)
    clock.advance(3_600_000)
    assert.equal(await takeMany(5, 2), 2)
  })
}
