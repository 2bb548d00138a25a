import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeCalmRead } from './calm-read.ts'
import { makeFakeClock } from './clock.ts'

const setUp = (takesMs: number) => {
  const clock = makeFakeClock()
  const state = { reads: 0, isAway: false }
  const read = makeCalmRead(clock, async () => {
    const count = ++state.reads
    await Promise.resolve()
    clock.advance(takesMs)
    if (state.isAway) throw new Error('the database is away')
    return count
  })
  return { clock, state, read }
}

test('who asks at the same time shares one read', async () => {
  const { read } = setUp(0)
  assert.deepEqual(await Promise.all([read(), read(), read()]), [1, 1, 1])
  assert.equal(await read(), 2)
})

test('a read that takes long is not made again until it has cost a twentieth of the time', async () => {
  const { clock, read } = setUp(100)
  assert.equal(await read(), 1)
  clock.advance(1999)
  assert.equal(await read(), 1)
  clock.advance(1)
  assert.equal(await read(), 2)
})

test('a read that failed is made again at once', async () => {
  const { state, read } = setUp(100)
  state.isAway = true
  await assert.rejects(read(), /away/)
  state.isAway = false
  assert.equal(await read(), 2)
})
