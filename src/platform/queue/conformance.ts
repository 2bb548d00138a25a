/** The contract of the queue port as a test suite that every adapter runs. Times are real: an adapter may live in another process. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { type Job, PRIORITIES, type Priority, type Queue } from './queue.ts'

const PARTITION = 'tasks'

const jobOf = (id: string, priority: Priority = PRIORITIES.normal, more: Partial<Job> = {}): Job => ({
  id,
  partition: PARTITION,
  tenantId: 'tenant-a',
  priority,
  ...more,
})

const until = async (condition: () => boolean | Promise<boolean>, what: string): Promise<void> => {
  const deadline = Date.now() + 5000
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`waited 5 s in vain for: ${what}`)
    await wait(2)
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
    const seen: string[] = []
    const consumer = queue.consume({
      partition: PARTITION,
      concurrency: 2,
      handle: async (job) => void seen.push(job.id),
    })
    await queue.add([jobOf('a'), jobOf('b')])
    await until(() => seen.length === 2, 'both jobs')
    await consumer.stop()
    assert.deepEqual(seen.toSorted(), ['a', 'b'])
    assert.deepEqual(await queue.counts(PARTITION), { waiting: 0, delayed: 0, active: 0 })
  })

  withQueue('a job arrives whole', async (queue) => {
    const seen: Job[] = []
    const consumer = queue.consume({ partition: PARTITION, concurrency: 1, handle: async (job) => void seen.push(job) })
    await queue.add([jobOf('a', PRIORITIES.high, { tenantId: 'tenant-z' })])
    await until(() => seen.length === 1, 'the job')
    await consumer.stop()
    assert.equal(seen[0]?.tenantId, 'tenant-z')
    assert.equal(seen[0]?.priority, PRIORITIES.high)
    assert.equal(seen[0]?.partition, PARTITION)
  })

  withQueue('a waiting job is not added twice', async (queue) => {
    await queue.add([jobOf('a'), jobOf('a')])
    await queue.add([jobOf('a')])
    assert.equal((await queue.counts(PARTITION)).waiting, 1)
  })

  withQueue('a running job is not added again', async (queue) => {
    let started = 0
    let finish = (): void => {}
    const consumer = queue.consume({
      partition: PARTITION,
      concurrency: 2,
      handle: () => {
        started++
        return new Promise<void>((resolve) => {
          finish = resolve
        })
      },
    })
    await queue.add([jobOf('a')])
    await until(() => started === 1, 'the start')
    await queue.add([jobOf('a')])
    await wait(30)
    assert.equal(started, 1)
    finish()
    await consumer.stop()
  })

  withQueue('a job that was released can be added again while its dead handler still has it', async (queue) => {
    let started = 0
    const ends: (() => void)[] = []
    const consumer = queue.consume({
      partition: PARTITION,
      concurrency: 2,
      handle: () => {
        started++
        return new Promise<void>((resolve) => ends.push(resolve))
      },
    })
    await queue.add([jobOf('a')])
    await until(() => started === 1, 'the start')
    await queue.release(PARTITION, ['a'])
    await queue.add([jobOf('a')])
    await until(() => started === 2, 'the second start')
    for (const end of ends) end()
    await consumer.stop()
  })

  withQueue('a job can be added again once it has ended', async (queue) => {
    let seen = 0
    const consumer = queue.consume({
      partition: PARTITION,
      concurrency: 1,
      handle: async () => {
        seen++
      },
    })
    await queue.add([jobOf('a')])
    await until(async () => seen === 1 && (await queue.counts(PARTITION)).active === 0, 'the first')
    await queue.add([jobOf('a')])
    await until(() => seen === 2, 'the second')
    await consumer.stop()
  })

  withQueue('a higher priority is handled first', async (queue) => {
    await queue.add([
      jobOf('low', PRIORITIES.low),
      jobOf('normal'),
      jobOf('critical', PRIORITIES.critical),
      jobOf('high', PRIORITIES.high),
    ])
    const seen: string[] = []
    const consumer = queue.consume({
      partition: PARTITION,
      concurrency: 1,
      handle: async (job) => void seen.push(job.id),
    })
    await until(() => seen.length === 4, 'all')
    await consumer.stop()
    assert.deepEqual(seen, ['critical', 'high', 'normal', 'low'])
  })

  withQueue('jobs of one tenant and priority are handled in order', async (queue) => {
    const ids = Array.from({ length: 20 }, (_, i) => `job-${i}`)
    await queue.add(ids.map((id) => jobOf(id)))
    const seen: string[] = []
    const consumer = queue.consume({
      partition: PARTITION,
      concurrency: 1,
      handle: async (job) => void seen.push(job.id),
    })
    await until(() => seen.length === 20, 'all')
    await consumer.stop()
    assert.deepEqual(seen, ids)
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
    await until(() => done === 12, 'all')
    await consumer.stop()
    assert.equal(most, 3)
  })

  withQueue('a delayed job waits for its time', async (queue) => {
    const seen: string[] = []
    const consumer = queue.consume({
      partition: PARTITION,
      concurrency: 1,
      handle: async (job) => void seen.push(job.id),
    })
    await queue.add([jobOf('late', PRIORITIES.critical, { delayMs: 120 }), jobOf('now')])
    await until(() => seen.length === 1, 'the first')
    assert.deepEqual(seen, ['now'])
    assert.equal((await queue.counts(PARTITION)).delayed, 1)
    await until(() => seen.length === 2, 'the delayed one')
    await consumer.stop()
  })

  withQueue('what to answer to arrives whole', async (queue) => {
    const replyTo = 'run:0198f/ä {"x":1}'
    await queue.add([jobOf('a', PRIORITIES.normal, { replyTo, rank: 7 }), jobOf('b')])
    const seen: Job[] = []
    const consumer = queue.consume({ partition: PARTITION, concurrency: 1, handle: async (job) => void seen.push(job) })
    await until(() => seen.length === 2, 'both')
    await consumer.stop()
    assert.equal(seen.find((job) => job.id === 'a')?.replyTo, replyTo)
    assert.equal(seen.find((job) => job.id === 'b')?.replyTo, undefined)
  })

  withQueue('a job that has waited long goes before all others', async (queue) => {
    await queue.add([jobOf('old', PRIORITIES.low), jobOf('older', PRIORITIES.low, { tenantId: 'tenant-b' })])
    await wait(60)
    await queue.add([jobOf('urgent', PRIORITIES.critical), jobOf('young', PRIORITIES.low)])
    assert.equal(await queue.age(PARTITION, 50), 2)
    const seen: string[] = []
    const consumer = queue.consume({
      partition: PARTITION,
      concurrency: 1,
      handle: async (job) => void seen.push(job.id),
    })
    await until(() => seen.length === 4, 'all')
    await consumer.stop()
    assert.deepEqual(seen, ['old', 'older', 'urgent', 'young'])
  })

  withQueue('age() leaves alone what has not waited long', async (queue) => {
    await queue.add([jobOf('low', PRIORITIES.low), jobOf('later', PRIORITIES.low, { delayMs: 5000 })])
    assert.equal(await queue.age(PARTITION, 60_000), 0)
    assert.equal(await queue.remove(PARTITION, 'later'), true)
    assert.equal(await queue.age('agents', 0), 0)
  })

  withQueue('a consumer is ready until it is paused or stopped', async (queue) => {
    const consumer = queue.consume({ partition: PARTITION, concurrency: 1, handle: async () => {} })
    await until(() => consumer.isReady(), 'the consumer')
    consumer.pause()
    assert.equal(consumer.isReady(), false)
    consumer.resume()
    await until(() => consumer.isReady(), 'the consumer after the pause')
    await consumer.stop()
    assert.equal(consumer.isReady(), false)
  })

  withQueue('a removed job is not handled', async (queue) => {
    await queue.add([jobOf('a'), jobOf('b'), jobOf('c', PRIORITIES.normal, { delayMs: 40 })])
    assert.equal(await queue.remove(PARTITION, 'a'), true)
    assert.equal(await queue.remove(PARTITION, 'c'), true)
    assert.equal(await queue.remove(PARTITION, 'unknown'), false)
    const seen: string[] = []
    const consumer = queue.consume({
      partition: PARTITION,
      concurrency: 1,
      handle: async (job) => void seen.push(job.id),
    })
    await until(() => seen.length === 1, 'the one that stayed')
    await wait(80)
    await consumer.stop()
    assert.deepEqual(seen, ['b'])
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
    await until(() => seen.length === 2, 'both')
    await consumer.stop()
    assert.equal(errors.length, 1)
  })

  withQueue('partitions do not wait for each other', async (queue) => {
    let finish = (): void => {}
    const blocked = queue.consume({
      partition: 'agents',
      concurrency: 1,
      handle: () =>
        new Promise<void>((resolve) => {
          finish = resolve
        }),
    })
    const seen: string[] = []
    const consumer = queue.consume({
      partition: PARTITION,
      concurrency: 1,
      handle: async (job) => void seen.push(job.id),
    })
    await queue.add([jobOf('a', PRIORITIES.normal, { partition: 'agents' }), jobOf('b')])
    await until(() => seen.length === 1, 'the other partition')
    await until(async () => (await queue.counts('agents')).active === 1, 'the blocked one')
    finish()
    await Promise.all([blocked.stop(), consumer.stop()])
  })

  withQueue('a paused consumer takes nothing until it is resumed', async (queue) => {
    const seen: string[] = []
    const consumer = queue.consume({
      partition: PARTITION,
      concurrency: 1,
      handle: async (job) => void seen.push(job.id),
    })
    consumer.pause()
    await queue.add([jobOf('a')])
    await wait(30)
    assert.deepEqual(seen, [])
    consumer.resume()
    await until(() => seen.length === 1, 'the job')
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
    await until(() => started, 'the start')
    await consumer.stop()
    assert.equal(finished, true)
  })

  withQueue(
    'one tenant cannot keep another of the same priority waiting, where ranks say whose turn it is',
    async (queue) => {
      await queue.add(Array.from({ length: 50 }, (_, i) => jobOf(`flood-${i}`, PRIORITIES.normal, { rank: i })))
      await queue.add([jobOf('other', PRIORITIES.normal, { tenantId: 'tenant-b' })])
      const seen: string[] = []
      const consumer = queue.consume({
        partition: PARTITION,
        concurrency: 1,
        handle: async (job) => void seen.push(job.id),
      })
      await until(() => seen.length === 51, 'all')
      await consumer.stop()
      assert.ok(seen.indexOf('other') <= 2, `the other tenant's job came as number ${seen.indexOf('other') + 1}`)
    },
  )
}
