/** Who counts as dead when somebody is about to take a single run from him. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DATABASES } from '../../test/support/databases.ts'
import { makeFakeClock } from '../platform/clock.ts'
import { makeWorkers } from './workers.ts'

const LEASE_MS = 15_000

test('isDead() gives others the time of a lease to renew theirs when nobody could for longer than that', async () => {
  const { db } = await (DATABASES.find(({ name }) => name === 'PostgreSQL') as (typeof DATABASES)[number]).open()
  const clock = makeFakeClock()
  const made = ['me', 'other', 'dead'].map((id) =>
    makeWorkers({ db, id, roles: [], leaseMs: LEASE_MS, now: clock.now }),
  )
  const [me, other] = made as [(typeof made)[number], (typeof made)[number]]
  for (const workers of made) await workers.join()
  assert.equal(await me.isDead('stranger'), true)
  // The database is away.
  clock.advance(2 * LEASE_MS)
  assert.deepEqual([await me.isDead('other'), await me.isDead('stranger')], [false, true])
  await me.renew()
  clock.advance(1000)
  assert.equal(await me.isDead('other'), false)
  await other.renew()
  clock.advance(LEASE_MS - 2000)
  await me.renew()
  assert.equal(await me.isDead('dead'), false)
  clock.advance(1001)
  assert.deepEqual([await me.isDead('other'), await me.isDead('dead')], [false, true])
})
