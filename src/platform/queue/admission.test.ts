import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../clock.ts'
import { makeAdmission } from './admission.ts'
import { makeLocalQueue } from './local-queue.ts'
import type { Job } from './queue.ts'

const jobOf = (n: number, tenantId = 'a'): Job => ({ id: `${tenantId}${n}`, partition: 'tasks', tenantId, priority: 3 })

const setUp = (windowSize: number, rows: Job[]) => {
  const queue = makeLocalQueue({ clock: systemClock, onError: () => {} })
  let reads = 0
  const admission = makeAdmission({
    queue,
    partition: 'tasks',
    windowSize,
    readBacklog: async (_, limit, inside) => {
      reads++
      return rows.filter((job) => !inside.has(job.id)).slice(0, limit)
    },
    onError: (error) => {
      throw error
    },
  })
  return { queue, admission, reads: () => reads }
}

test('admission lets work through without a scan while there is room', async () => {
  const { queue, admission, reads } = setUp(10, [])
  for (let i = 0; i < 10; i++) admission.offer(jobOf(i))
  assert.equal((await queue.counts('tasks')).waiting, 10)
  assert.equal(reads(), 0)
})

test('admission keeps the window bounded, and drains a backlog of any length through it', async () => {
  const rows = Array.from({ length: 500 }, (_, i) => jobOf(i))
  const { queue, admission } = setUp(20, rows)
  for (const job of rows) admission.offer(job)
  assert.equal((await queue.counts('tasks')).waiting, 20)
  let most = 0
  const done: string[] = []
  queue.consume({
    partition: 'tasks',
    concurrency: 3,
    handle: async (job) => {
      most = Math.max(most, (await queue.counts('tasks')).waiting)
      rows.splice(
        rows.findIndex((row) => row.id === job.id),
        1,
      )
      done.push(job.id)
      admission.left(job)
    },
  })
  while (done.length < 500) await new Promise((resolve) => setTimeout(resolve, 1))
  assert.equal(new Set(done).size, 500)
  assert.ok(most <= 20, `${most} jobs waited in the queue`)
})

test('admission always has room for a tenant that has little in it', async () => {
  const { queue, admission } = setUp(10, [])
  for (let i = 0; i < 50; i++) admission.offer(jobOf(i))
  admission.offer(jobOf(1, 'b'))
  assert.equal((await queue.counts('tasks')).waiting, 11)
})

test('admission does not let in again what was handled while its backlog was read', async () => {
  const queue = makeLocalQueue({ clock: systemClock, onError: () => {} })
  let answer = (_rows: Job[]): void => {}
  const admission = makeAdmission({
    queue,
    partition: 'tasks',
    windowSize: 2,
    readBacklog: () =>
      new Promise((resolve) => {
        answer = resolve
      }),
    onError: () => {},
  })
  const job = jobOf(1)
  const refilled = admission.refill()
  admission.offer(job)
  await queue.remove('tasks', job.id)
  admission.left(job)
  answer([job])
  await refilled
  assert.equal((await queue.counts('tasks')).waiting, 0)
  admission.offer(job)
  assert.equal((await queue.counts('tasks')).waiting, 1)
})
