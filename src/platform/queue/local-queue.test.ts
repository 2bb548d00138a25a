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
