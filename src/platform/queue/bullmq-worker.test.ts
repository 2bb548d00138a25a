/** What a worker does when Redis fails it between the wake-up and the job. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openBullmqQueue, taskOf } from '../../../test/support/bullmq.ts'
import { eventually, testRedisTarget } from '../../../test/support/redis.ts'
import { PlacedWorker } from './bullmq-worker.ts'

test('a worker whose fetch failed takes the job that woke it, without another wake-up', async (t) => {
  const { queue } = await openBullmqQueue(t, testRedisTarget())
  const done: string[] = []
  let refusals = 0
  const fetch = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(PlacedWorker.prototype), 'moveToActive')!
  t.after(() => void Object.defineProperty(Object.getPrototypeOf(PlacedWorker.prototype), 'moveToActive', fetch))
  const consumer = queue.consume({ partition: 'tasks', concurrency: 1, handle: async ({ id }) => void done.push(id) })
  t.after(() => consumer.stop())
  await queue.add([taskOf('first')])
  await eventually('the first job to be done', () => done.length === 1)
  await eventually('the worker to wait', async () => consumer.isReady())
  await new Promise((resolve) => setTimeout(resolve, 200))

  Object.defineProperty(Object.getPrototypeOf(PlacedWorker.prototype), 'moveToActive', {
    ...fetch,
    async value(this: unknown, ...args: unknown[]) {
      if (refusals++ === 0) throw new Error("READONLY You can't write against a read only replica.")
      return fetch.value.apply(this, args)
    },
  })
  await queue.add([taskOf('second')])
  await eventually('the second job to be done', () => done.length === 2, 5000)
  assert.ok(refusals > 1)
  await eventually('the worker to be ready again', () => consumer.isReady())
})
