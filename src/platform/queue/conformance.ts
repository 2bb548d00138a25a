/** The contract of the queue port as a test suite that every adapter runs. Times are real: an adapter may live in another process. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { until } from '../../../test/support/until.ts'
import { type Job, type Partition, PRIORITIES, type Priority, type Queue } from './queue.ts'

const PARTITION = 'tasks'

const jobOf = (id: string, priority: Priority = PRIORITIES.normal, more: Partial<Job> = {}): Job => ({
  id,
  partition: PARTITION,
  tenantId: 'tenant-a',
  priority,
  ...more,
})

/** A consumer that writes down what it is given. */
const collect = (queue: Queue, concurrency = 1) => {
  const jobs: Job[] = []
  const consumer = queue.consume({ partition: PARTITION, concurrency, handle: async (job) => void jobs.push(job) })
  return {
    ...{ jobs, consumer },
    ids: () => jobs.map(({ id }) => id),
    /** Until so many have come. */
    hasCome: (count: number) => until(`job number ${count}`, () => jobs.length >= count),
  }
}

/** A consumer that ends nothing before it is told to. */
const hold = (queue: Queue, concurrency: number, partition: Partition = PARTITION) => {
  const ends: (() => void)[] = []
  const handle = () => new Promise<void>((resolve) => void ends.push(resolve))
  const consumer = queue.consume({ partition, concurrency, handle })
  return {
    consumer,
    hasBegun: (count: number) => until(`start number ${count}`, () => ends.length >= count),
    begun: () => ends.length,
    finish: () => {
      for (const end of ends) end()
    },
  }
}

export interface ConformanceTarget {
  readonly name: string
  /** A new, empty queue; stopped by the suite. `errors` collects what the adapter reports of rejected handlers. */
  open(errors: unknown[]): Promise<Queue>
}

export const describeQueue = ({ name, open }: ConformanceTarget): void => {
  const withQueue = (title: string, body: (queue: Queue, errors: unknown[]) => Promise<void>): void => {
    test(`${name}: ${title}`, async () => {
      const errors: unknown[] = []
      const queue = await open(errors)
      try {
        await body(queue, errors)
      } finally {
        await queue.stop()
      }
    })
  }

  withQueue('a job is handled once', async (queue) => {
    const { consumer, ids, hasCome } = collect(queue, 2)
    await queue.add([jobOf('a'), jobOf('b')])
    await hasCome(2)
    await consumer.stop()
    assert.deepEqual(ids().toSorted(), ['a', 'b'])
    assert.deepEqual(await queue.counts(PARTITION), { waiting: 0, delayed: 0, active: 0 })
  })

  withQueue('a job arrives whole', async (queue) => {
    const { consumer, jobs, hasCome } = collect(queue)
    await queue.add([jobOf('a', PRIORITIES.high, { tenantId: 'tenant-z' })])
    await hasCome(1)
    await consumer.stop()
    assert.equal(jobs[0]?.tenantId, 'tenant-z')
    assert.equal(jobs[0]?.priority, PRIORITIES.high)
    assert.equal(jobs[0]?.partition, PARTITION)
  })

  withQueue('a waiting job is not added twice', async (queue) => {
    await queue.add([jobOf('a'), jobOf('a')])
    await queue.add([jobOf('a')])
    assert.equal((await queue.counts(PARTITION)).waiting, 1)
  })

  withQueue('a running job is not added again', async (queue) => {
    const { consumer, begun, hasBegun, finish } = hold(queue, 2)
    await queue.add([jobOf('a')])
    await hasBegun(1)
    await queue.add([jobOf('a')])
    await wait(30)
    assert.equal(begun(), 1)
    finish()
    await consumer.stop()
  })

  withQueue('a job that was released can be added again while its dead handler still has it', async (queue) => {
    const { consumer, hasBegun, finish } = hold(queue, 2)
    await queue.add([jobOf('a')])
    await hasBegun(1)
    await queue.release(PARTITION, ['a'])
    await queue.add([jobOf('a')])
    await hasBegun(2)
    finish()
    await consumer.stop()
  })

  withQueue('a job can be added again once it has ended', async (queue) => {
    const { consumer, hasCome } = collect(queue)
    await queue.add([jobOf('a')])
    await hasCome(1)
    await until('its end', async () => (await queue.counts(PARTITION)).active === 0)
    await queue.add([jobOf('a')])
    await hasCome(2)
    await consumer.stop()
  })

  withQueue('a higher priority is handled first', async (queue) => {
    await queue.add([
      jobOf('low', PRIORITIES.low),
      jobOf('normal'),
      jobOf('critical', PRIORITIES.critical),
      jobOf('high', PRIORITIES.high),
    ])
    const { consumer, ids, hasCome } = collect(queue)
    await hasCome(4)
    await consumer.stop()
    assert.deepEqual(ids(), ['critical', 'high', 'normal', 'low'])
  })

  withQueue('jobs of one tenant and priority are handled in order', async (queue) => {
    const inOrder = Array.from({ length: 20 }, (_, i) => `job-${i}`)
    await queue.add(inOrder.map((id) => jobOf(id)))
    const { consumer, ids, hasCome } = collect(queue)
    await hasCome(20)
    await consumer.stop()
    assert.deepEqual(ids(), inOrder)
  })

  withQueue('no more jobs run at a time than the concurrency', async (queue) => {
    let running = 0
    let most = 0
    let done = 0
    const consumer = queue.consume({
      partition: PARTITION,
      concurrency: 3,
      handle: async () => {
        running++
        most = Math.max(most, running)
        await wait(5)
        running--
        done++
      },
    })
    await queue.add(Array.from({ length: 12 }, (_, i) => jobOf(`job-${i}`)))
    await until('all', () => done === 12)
    await consumer.stop()
    assert.equal(most, 3)
  })

  withQueue('a delayed job waits for its time', async (queue) => {
    const { consumer, ids, hasCome } = collect(queue)
    const tomorrow = jobOf('tomorrow', PRIORITIES.critical, { delayMs: 86_400_000 })
    await queue.add([tomorrow, jobOf('late', PRIORITIES.low, { delayMs: 120 }), jobOf('now')])
    await hasCome(2)
    await consumer.stop()
    assert.deepEqual(ids(), ['now', 'late'])
    assert.equal((await queue.counts(PARTITION)).delayed, 1)
  })

  withQueue('what to answer to arrives whole', async (queue) => {
    const replyTo = 'run:0198f/ä {"x":1}'
    await queue.add([jobOf('a', PRIORITIES.normal, { replyTo, rank: 7 }), jobOf('b')])
    const { consumer, jobs, hasCome } = collect(queue)
    await hasCome(2)
    await consumer.stop()
    assert.equal(jobs.find((job) => job.id === 'a')?.replyTo, replyTo)
    assert.equal(jobs.find((job) => job.id === 'b')?.replyTo, undefined)
  })

  withQueue('a job that has waited long goes before all others', async (queue) => {
    await queue.add([jobOf('old', PRIORITIES.low), jobOf('older', PRIORITIES.low, { tenantId: 'tenant-b' })])
    await wait(60)
    await queue.add([jobOf('urgent', PRIORITIES.critical), jobOf('young', PRIORITIES.low)])
    assert.equal(await queue.age(PARTITION, 50), 2)
    const { consumer, ids, hasCome } = collect(queue)
    await hasCome(4)
    await consumer.stop()
    assert.deepEqual(ids(), ['old', 'older', 'urgent', 'young'])
  })

  withQueue('age() leaves alone what has not waited long', async (queue) => {
    await queue.add([jobOf('low', PRIORITIES.low), jobOf('later', PRIORITIES.low, { delayMs: 5000 })])
    assert.equal(await queue.age(PARTITION, 60_000), 0)
    assert.equal(await queue.remove(PARTITION, 'later'), true)
    assert.equal(await queue.age('agents', 0), 0)
  })

  withQueue('a consumer is ready until it is paused or stopped', async (queue) => {
    const consumer = queue.consume({ partition: PARTITION, concurrency: 1, handle: async () => {} })
    await until('the consumer', () => consumer.isReady())
    consumer.pause()
    assert.equal(consumer.isReady(), false)
    consumer.resume()
    await until('the consumer after the pause', () => consumer.isReady())
    await consumer.stop()
    assert.equal(consumer.isReady(), false)
  })

  withQueue('a removed job is not handled', async (queue) => {
    await queue.add([jobOf('a'), jobOf('b'), jobOf('c', PRIORITIES.normal, { delayMs: 40 })])
    assert.equal(await queue.remove(PARTITION, 'a'), true)
    assert.equal(await queue.remove(PARTITION, 'c'), true)
    assert.equal(await queue.remove(PARTITION, 'unknown'), false)
    const { consumer, ids, hasCome } = collect(queue)
    await hasCome(1)
    await wait(80)
    await consumer.stop()
    assert.deepEqual(ids(), ['b'])
  })

  withQueue('a handler that rejects is reported and stops nothing', async (queue, errors) => {
    const seen: string[] = []
    const consumer = queue.consume({
      partition: PARTITION,
      concurrency: 1,
      handle: async (job) => {
        seen.push(job.id)
        if (job.id === 'bad') throw new Error('no')
      },
    })
    await queue.add([jobOf('bad'), jobOf('good')])
    await until('both', () => seen.length === 2)
    await consumer.stop()
    assert.equal(errors.length, 1)
  })

  withQueue('partitions do not wait for each other', async (queue) => {
    const { consumer: blocked, finish } = hold(queue, 1, 'agents')
    const { consumer, hasCome } = collect(queue)
    await queue.add([jobOf('a', PRIORITIES.normal, { partition: 'agents' }), jobOf('b')])
    await hasCome(1)
    await until('the blocked one', async () => (await queue.counts('agents')).active === 1)
    finish()
    await Promise.all([blocked.stop(), consumer.stop()])
  })

  withQueue('a paused consumer takes nothing until it is resumed', async (queue) => {
    const { consumer, ids, hasCome } = collect(queue)
    consumer.pause()
    await queue.add([jobOf('a')])
    await wait(30)
    assert.deepEqual(ids(), [])
    consumer.resume()
    await hasCome(1)
    await consumer.stop()
  })

  withQueue('stop() waits for the jobs being handled', async (queue) => {
    let finished = false
    let started = false
    const consumer = queue.consume({
      partition: PARTITION,
      concurrency: 1,
      handle: async () => {
        started = true
        await wait(40)
        finished = true
      },
    })
    await queue.add([jobOf('a')])
    await until('the start', () => started)
    await consumer.stop()
    assert.equal(finished, true)
  })

  withQueue(
    'one tenant cannot keep another of the same priority waiting, where ranks say whose turn it is',
    async (queue) => {
      await queue.add(Array.from({ length: 50 }, (_, i) => jobOf(`flood-${i}`, PRIORITIES.normal, { rank: i })))
      await queue.add([jobOf('other', PRIORITIES.normal, { tenantId: 'tenant-b' })])
      const { consumer, ids, hasCome } = collect(queue)
      await hasCome(51)
      await consumer.stop()
      assert.ok(ids().indexOf('other') <= 2, `the other tenant's job came as number ${ids().indexOf('other') + 1}`)
    },
  )
}
