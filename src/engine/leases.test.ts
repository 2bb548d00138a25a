/** When the leases of others count as run out. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { type Bus, type BusListener, makeLocalBus } from '../platform/bus/bus.ts'
import { makeFakeClock } from '../platform/clock.ts'
import { makeLeaseKeeper } from './leases.ts'
import type { Workers } from './workers.ts'

const LEASE_MS = 3000

/** A keeper over rows in memory, whose database can be away. */
const startKeeper = () => {
  const clock = makeFakeClock()
  const state = {
    isAway: false,
    taken: [] as string[],
    errors: 0,
    left: 0,
    gone: [] as string[],
    renewals: 0,
    failures: 0,
  }
  const heard: BusListener[] = []
  const told: string[] = []
  const bus: Bus = {
    ...makeLocalBus(),
    isShared: true,
    on: (_, listener) => void heard.push(listener),
    broadcast: (topic) => void told.push(topic),
    gone: async () => state.gone.splice(0),
  }
  const leases = new Map([['other', clock.now() + LEASE_MS]])
  const workers: Workers = {
    id: 'self',
    isAlone: false,
    join: async () => {},
    leave: async () => void state.left++,
    async renew() {
      if (state.isAway) throw new Error('connection refused')
      state.renewals++
      return true
    },
    isDead: async () => false,
    dead: async () => [...leases].filter(([, untilMs]) => untilMs < clock.now()).map(([id]) => id),
    async forget(ids) {
      for (const id of ids) leases.delete(id)
    },
  }
  const keeper = makeLeaseKeeper({
    ...{ workers, bus, clock, leaseMs: LEASE_MS, onLost: () => {}, onError: () => state.errors++ },
    async takeOver(ids) {
      if (state.failures-- > 0) throw new Error('connection refused')
      state.taken.push(...ids)
    },
  })
  keeper.start()
  return {
    ...{ state, keeper, told },
    hear: (id: string) => heard[0]?.(id, id),
    renewOther: () => leases.set('other', clock.now() + LEASE_MS),
    /** In steps shorter than the time between two looks, so that each look ends before the next. */
    async pass(ms: number) {
      for (let passed = 0; passed < ms; passed += 100) {
        clock.advance(100)
        for (let i = 0; i < 5; i++) await turn()
      }
    },
  }
}

test('a process whose lease ran out is taken over', async () => {
  const { state, keeper, pass } = startKeeper()
  await keeper.takeOver.start()
  await pass(LEASE_MS - 500)
  assert.deepEqual(state.taken, [])
  await pass(2000)
  assert.deepEqual(state.taken, ['other'])
})

test('after the database was away for a lease, others get the time of a lease to renew theirs', async () => {
  const { state, keeper, pass, renewOther } = startKeeper()
  await keeper.takeOver.start()
  state.isAway = true
  await pass(2 * LEASE_MS)
  assert.ok(state.errors > 0)
  state.isAway = false
  await pass(LEASE_MS / 2)
  assert.deepEqual(state.taken, [], 'its lease ran out while nobody could renew')
  renewOther()
  await pass(LEASE_MS - 500)
  assert.deepEqual(state.taken, [])
  await pass(2 * LEASE_MS)
  assert.deepEqual(state.taken, ['other'], 'it has not renewed since')
})

test('whoever begins to take over right after such a time is patient too', async () => {
  const { state, keeper, pass } = startKeeper()
  state.isAway = true
  await pass(2 * LEASE_MS)
  await keeper.takeOver.start()
  assert.deepEqual(state.taken, [])
})

test('a process that ended without a word is taken over long before its lease runs out', async () => {
  const { state, keeper, pass } = startKeeper()
  await keeper.takeOver.start()
  state.gone.push('other')
  await pass(1200)
  assert.deepEqual(state.taken, ['other'])
})

test('a take-over that failed is tried again at the next look, not when the lease has run out', async () => {
  const { state, keeper, pass } = startKeeper()
  await keeper.takeOver.start()
  state.gone.push('other')
  state.failures = 1
  await pass(700)
  assert.deepEqual(state.taken, [])
  await pass(500)
  assert.deepEqual(state.taken, ['other'])
})

test('a process that leaves says so, and is taken over at once by whoever has the duty', async () => {
  const { state, keeper, told, hear, pass } = startKeeper()
  hear('early')
  await pass(100)
  assert.deepEqual(state.taken, [])
  await keeper.takeOver.start()
  hear('other')
  await pass(100)
  assert.deepEqual(state.taken, ['other'])
  await keeper.stop()
  assert.equal(state.left, 1)
  assert.deepEqual(told, ['workers:left'])
})

test('a renewal that failed is tried again much sooner than the next one is due', async () => {
  const { state, pass } = startKeeper()
  state.isAway = true
  await pass(LEASE_MS / 3)
  assert.equal(state.errors, 1)
  state.isAway = false
  await pass(LEASE_MS / 10)
  assert.equal(state.renewals, 1)
})

test('word of one process that left does not end the patience with the others', async () => {
  const { state, keeper, pass, hear } = startKeeper()
  await keeper.takeOver.start()
  state.isAway = true
  await pass(2 * LEASE_MS)
  hear('gone')
  await pass(100)
  assert.deepEqual(state.taken, ['gone'])
})
