import assert from 'node:assert/strict'
import { test } from 'node:test'
import { slotOf } from '../redis/hash-tags.ts'
import { queueNames, shareOut, splitOf } from './bullmq-splits.ts'
import { PARTITIONS } from './queue.ts'

test('queueNames() spreads every partition evenly over the slots, however many the splits', () => {
  for (const partition of PARTITIONS) {
    assert.deepEqual(queueNames(partition, 1), [`{${partition}}`])
    for (const splits of [2, 3, 6, 64]) {
      const names = queueNames(partition, splits)
      const parts = names.map((name) => Math.floor((slotOf(name.slice(1, -1)) * splits) / 16_384))
      assert.deepEqual(
        parts,
        Array.from({ length: splits }, (_, i) => i),
      )
      assert.deepEqual(queueNames(partition, splits), names)
    }
  }
})

test('splitOf() puts about as many jobs in each split, and a job always in the same', () => {
  const counts = [0, 0, 0]
  for (let i = 0; i < 3000; i++) counts[splitOf(`job-${i}`, 3)]!++
  assert.ok(
    counts.every((count) => count > 850 && count < 1150),
    counts.join(),
  )
  assert.equal(splitOf('job-7', 3), splitOf('job-7', 3))
})

test('shareOut() gives everyone a place, and no more than there are if they suffice', () => {
  assert.deepEqual(shareOut(10, 3), [4, 3, 3])
  assert.deepEqual(shareOut(3, 3), [1, 1, 1])
  assert.deepEqual(shareOut(1, 3), [1, 1, 1])
})
