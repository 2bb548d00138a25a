import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeLocalBus } from '../platform/bus/bus.ts'
import { makeFakeClock } from '../platform/clock.ts'
import { makeSweeper } from './sweeper.ts'

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

const setUp = (due: number[], onSweep: (nowMs: number) => void = () => {}) => {
  const clock = makeFakeClock(0)
  const swept: { atMs: number; dueMs: number }[] = []
  const sweeper = makeSweeper({
    name: 'test',
    bus: makeLocalBus(),
    clock,
    async nextAt(nowMs) {
      return due.filter((dueMs) => dueMs > nowMs).toSorted((a, b) => a - b)[0]
    },
    async sweep(nowMs) {
      for (const dueMs of due.filter((each) => each <= nowMs)) {
        due.splice(due.indexOf(dueMs), 1)
        swept.push({ atMs: clock.now(), dueMs })
      }
      onSweep(nowMs)
    },
    onError: (error) => {
      throw error
    },
    slowMs: 10_000,
  })
  const pass = async (totalMs: number): Promise<void> => {
    for (let ms = 0; ms < totalMs; ms += 5) {
      clock.advance(5)
      await settled()
    }
  }
  return { clock, sweeper, swept, pass }
}

test('a sweeper acts on what falls due at its time, and sleeps in between', async () => {
  let sweeps = 0
  const { sweeper, swept, pass } = setUp([1000, 3000], () => {
    sweeps++
  })
  await sweeper.start()
  await pass(4000)
  assert.deepEqual(
    swept.map(({ dueMs, atMs }) => [dueMs, atMs - dueMs <= 15]),
    [
      [1000, true],
      [3000, true],
    ],
  )
  assert.equal(sweeps, 3)
})

test('what falls due while a sweep is at work is swept right after it', async () => {
  const due = [1000, 1003]
  const { clock, sweeper, swept, pass } = setUp(due, (nowMs) => {
    if (nowMs >= 1000 && nowMs < 1010) clock.advance(4)
  })
  await sweeper.start()
  await pass(1100)
  assert.deepEqual(
    swept.map(({ dueMs }) => dueMs),
    [1000, 1003],
  )
})

test('soon() makes a sweeper look again for something new', async () => {
  const due: number[] = []
  const { sweeper, swept, pass } = setUp(due)
  await sweeper.start()
  await pass(100)
  due.push(300)
  sweeper.soon()
  await pass(300)
  assert.equal(swept.length, 1)
  sweeper.stop()
})
