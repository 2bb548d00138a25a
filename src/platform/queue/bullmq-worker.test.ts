/** What a worker does when Redis fails it between the wake-up and the job. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Worker } from 'bullmq'
import { openBullmqQueue, taskOf } from '../../../test/support/bullmq.ts'
import { testRedisTarget } from '../../../test/support/redis.ts'
import { until } from '../../../test/support/until.ts'
import { makeFakeClock } from '../clock.ts'
import { PlacedWorker } from './bullmq-worker.ts'
import type { Job } from './queue.ts'

test('a worker whose fetch failed takes the job that woke it, without another wake-up', async (t) => {
  const { queue } = await openBullmqQueue(t, testRedisTarget())
  const done: string[] = []
  const steps: string[] = []
  const waitForJob = Object.getOwnPropertyDescriptor(Worker.prototype, 'waitForJob')!
  t.after(() => void Object.defineProperty(Worker.prototype, 'waitForJob', waitForJob))
  Object.defineProperty(Worker.prototype, 'waitForJob', {
    ...waitForJob,
    value(this: unknown, ...args: unknown[]) {
      steps.push('wait')
      return waitForJob.value.apply(this, args)
    },
  })
  const fetch = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(PlacedWorker.prototype), 'moveToActive')!
  t.after(() => void Object.defineProperty(Object.getPrototypeOf(PlacedWorker.prototype), 'moveToActive', fetch))
  const consumer = queue.consume({ partition: 'tasks', concurrency: 1, handle: async ({ id }) => void done.push(id) })
  t.after(() => consumer.stop())
  await queue.add([taskOf('first')])
  await until('the first job to be done', () => done.length === 1)
  await until('the worker to wait', () => consumer.isReady() && steps.at(-1) === 'wait')

  Object.defineProperty(Object.getPrototypeOf(PlacedWorker.prototype), 'moveToActive', {
    ...fetch,
    async value(this: unknown, ...args: unknown[]) {
      const isFirst = !steps.includes('refused')
      steps.push(isFirst ? 'refused' : 'fetch')
      if (isFirst) throw new Error("READONLY You can't write against a read only replica.")
      return fetch.value.apply(this, args)
    },
  })
  await queue.add([taskOf('second')])
  await until('the second job to be done', () => done.length === 2)
  // Nor by waiting for the next look by itself.
  const refused = steps.indexOf('refused')
  assert.deepEqual(steps.slice(refused, refused + 2), ['refused', 'fetch'])
  await until('the worker to be ready again', () => consumer.isReady())
})

test('a worker that waits for ever is replaced, and its queue goes on', async (t) => {
  const clock = makeFakeClock()
  const waitForJob = Object.getOwnPropertyDescriptor(Worker.prototype, 'waitForJob')!
  const forEver = Promise.withResolvers<void>()
  let isStuck = false
  let mayStick = false
  t.after(() => {
    Object.defineProperty(Worker.prototype, 'waitForJob', waitForJob)
    // Else the consumer of a test that failed could not stop.
    forEver.resolve()
  })
  Object.defineProperty(Worker.prototype, 'waitForJob', {
    ...waitForJob,
    value(this: unknown, ...args: unknown[]) {
      if (!mayStick) return waitForJob.value.apply(this, args)
      mayStick = false
      isStuck = true
      return forEver.promise
    },
  })
  const { queue } = await openBullmqQueue(t, testRedisTarget(), { clock })
  const done: string[] = []
  // The first job ends a wait that is as it should be; the one after it never ends.
  const handle = async ({ id }: Job): Promise<void> => {
    mayStick = id === 'first'
    done.push(id)
  }
  const consumer = queue.consume({ partition: 'tasks', concurrency: 1, handle })
  t.after(() => consumer.stop())
  await queue.add([taskOf('first')])
  await until('the worker to be stuck', () => isStuck)
  await queue.add([taskOf('second')])
  await new Promise((resolve) => setTimeout(resolve, 100))
  assert.deepEqual(done, ['first'])
  for (let seconds = 0; seconds < 24; seconds += 2) {
    clock.advance(2000)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  // On a slow machine the looks that find it may not all have been made: so time goes on, but slowly.
  await until(
    'the second job to be done',
    () => {
      if (done.length < 2) clock.advance(500)
      return done.length === 2
    },
    { everyMs: 250 },
  )
  await until('the consumer to be ready', () => consumer.isReady())
})
