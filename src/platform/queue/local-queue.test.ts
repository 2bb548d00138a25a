import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeFakeClock, systemClock } from '../clock.ts'
import { describeQueue } from './conformance.ts'
import { makeLocalQueue } from './local-queue.ts'
import type { Job } from './queue.ts'

describeQueue({
  name: 'local queue',
  open: async (errors) => makeLocalQueue({ clock: systemClock, onError: (error) => errors.push(error) }),
})

test('local queue: reserve() takes a place only when nobody waits for it', async () => {
  const queue = makeLocalQueue({ clock: makeFakeClock(), onError: () => {} })
  let release = (): void => {}
  const consumer = queue.consume({
    partition: 'tasks',
    concurrency: 2,
    handle: () =>
      new Promise<void>((resolve) => {
        release = resolve
      }),
  })
  const first = consumer.reserve()
  assert.ok(first)
  await queue.add([{ id: 'a', partition: 'tasks', tenantId: 't', priority: 3 }])
  assert.equal(consumer.reserve(), undefined)
  await queue.add([{ id: 'b', partition: 'tasks', tenantId: 't', priority: 3 }])
  assert.equal((await queue.counts('tasks')).waiting, 1)
  first()
  assert.equal((await queue.counts('tasks')).waiting, 0)
  release()
})

test('local queue: tenants take turns without being given ranks', async () => {
  const queue = makeLocalQueue({ clock: makeFakeClock(), onError: () => {} })
  const job = (id: string, tenantId: string): Job => ({ id, partition: 'tasks', tenantId, priority: 3 })
  await queue.add([...['a1', 'a2', 'a3'].map((id) => job(id, 'a')), job('b1', 'b')])
  const seen: string[] = []
  const consumer = queue.consume({ partition: 'tasks', concurrency: 1, handle: async ({ id }) => void seen.push(id) })
  while (seen.length < 4) await new Promise(setImmediate)
  await consumer.stop()
  assert.deepEqual(seen, ['a1', 'b1', 'a2', 'a3'])
})

test('local queue: a flood that has all places does not make another tenant wait', async () => {
  const queue = makeLocalQueue({ clock: makeFakeClock(), onError: () => {} })
  const job = (tenantId: string, n: number): Job => ({
    ...{ id: `${tenantId}${n}`, partition: 'tasks', tenantId, priority: 3 },
  })
  const begun: string[] = []
  const ends = new Map<string, () => void>()
  const consumer = queue.consume({
    partition: 'tasks',
    concurrency: 20,
    handle: ({ id }) =>
      new Promise((resolve) => {
        begun.push(id)
        ends.set(id, resolve)
      }),
  })
  await queue.add(Array.from({ length: 100 }, (_, n) => job('flood', n)))
  assert.equal(begun.length, 20)
  await queue.add([job('b', 1), job('b', 2), job('c', 1), job('d', 1)])
  // One more place for every ten, for who has nothing under way; what comes then waits for the next that is free.
  assert.deepEqual(begun.slice(20), ['b1', 'c1'])
  ends.get('b1')?.()
  await new Promise(setImmediate)
  assert.deepEqual(begun.slice(22), ['b2'])
  for (const end of ends.values()) end()
  consumer.pause()
})
