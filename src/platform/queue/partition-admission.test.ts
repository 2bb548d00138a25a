/** The look of the sweep over a domain's partitions. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeFakeClock } from '../clock.ts'
import { makeLocalQueue } from './local-queue.ts'
import { makeLocalWindow } from './local-window.ts'
import { makePartitionAdmission } from './partition-admission.ts'
import type { Job } from './queue.ts'
import { noRules } from './rules.ts'

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
