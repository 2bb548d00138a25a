/** The look of the sweep over a domain's partitions. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '../../../test/support/until.ts'
import { makeFakeClock } from '../clock.ts'
import { makeLocalQueue } from './local-queue.ts'
import { makeLocalWindow } from './local-window.ts'
import { makePartitionAdmission } from './partition-admission.ts'
import type { Job } from './queue.ts'
import { noRules } from './rules.ts'
import type { Window } from './window.ts'

const job: Job = { id: 'a', partition: 'tasks', tenantId: 't', priority: 3 }

test('look() finds a young job that the queue has lost when there is doubt, also after a look that failed, and not without', async () => {
  const clock = makeFakeClock()
  const queue = makeLocalQueue({ clock, onError: () => {} })
  let isAway = false
  const admissions = makePartitionAdmission({
    ...{ queue, window: makeLocalWindow({ clock, windowSize: 10 }), rules: noRules, clock, workerId: 'w' },
    partitions: ['tasks'],
    source: () => ({
      tenants: async () => [],
      keys: async () => [],
      head: async () => [],
      async look(ids) {
        if (isAway) throw new Error('the database is away')
        return { queued: ids.includes(job.id) ? [job] : [], working: [] }
      },
    }),
    onError: () => {},
  })
  const waiting = async (): Promise<number> => (await queue.counts('tasks')).waiting
  const lose = async (): Promise<void> => void (await queue.remove('tasks', job.id))
  admissions.offer(job)
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve))
  assert.equal(await waiting(), 1)

  await lose()
  await admissions.look()
  assert.equal(await waiting(), 0, 'it is young')
  admissions.doubt()
  isAway = true
  await assert.rejects(admissions.look())
  isAway = false
  await admissions.look()
  assert.equal(await waiting(), 1)
  await lose()
  await admissions.look()
  assert.equal(await waiting(), 0, 'the doubt is over')
})

test('look() ends while one refill follows the other, as they do while tenants at their limit go on: the sweep has other work', async () => {
  const clock = makeFakeClock()
  const real = makeLocalWindow({ clock, windowSize: 10 })
  const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
  let refills = 0
  let isBusy = true
  const window: Window = {
    ...real,
    async endRefill(...args) {
      await real.endRefill(...args)
      await nextTurn()
      refills++
      return isBusy
    },
  }
  const admissions = makePartitionAdmission({
    ...{ queue: makeLocalQueue({ clock, onError: () => {} }), window, rules: noRules, clock, workerId: 'w' },
    partitions: ['tasks'],
    source: () => ({
      tenants: async () => [],
      keys: async () => [],
      head: async () => [],
      look: async () => ({ queued: [], working: [] }),
    }),
    onError: (error) => assert.fail(error as Error),
  })
  let isOver = false
  const looked = admissions.look().then(() => {
    isOver = true
  })
  await until('many refills', () => refills > 100)
  const endedBefore = isOver
  isBusy = false
  await looked
  assert.equal(endedBefore, true)
})
