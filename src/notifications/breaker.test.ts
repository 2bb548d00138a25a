import assert from 'node:assert/strict'
import test from 'node:test'
import { makeFakeClock } from '../platform/clock.ts'
import { makeBreaker } from './breaker.ts'

const scene = () => {
  const clock = makeFakeClock()
  const breaker = makeBreaker({ now: clock.now, probeMs: 15_000 })
  const fail = (times: number): void => {
    for (let i = 0; i < times; i++) breaker.told('a', false)
  }
  return { clock, breaker, fail }
}

test('a channel rests after five failures in a row, and no other channel does', () => {
  const { breaker, fail } = scene()
  fail(4)
  assert.equal(breaker.ask('a'), 0)
  fail(1)
  assert.equal(breaker.ask('a'), 5000)
  assert.equal(breaker.ask('b'), 0)
})

test('a success in between begins the count anew', () => {
  const { breaker, fail } = scene()
  fail(4)
  breaker.told('a', true)
  fail(4)
  assert.equal(breaker.ask('a'), 0)
})

test('failures of calls that were under way do not make the rest longer', () => {
  const { breaker, fail } = scene()
  fail(12)
  assert.equal(breaker.ask('a'), 5000)
})

test('after the rest one call tries it; the next rest is twice as long, up to a minute', () => {
  const { clock, breaker, fail } = scene()
  fail(5)
  const rests: number[] = []
  for (let i = 0; i < 6; i++) {
    rests.push(breaker.ask('a'))
    clock.advance(rests.at(-1) as number)
    assert.equal(breaker.ask('a'), 0)
    assert.equal(breaker.ask('a'), 15_000)
    fail(1)
  }
  assert.deepEqual(rests, [5000, 10_000, 20_000, 40_000, 60_000, 60_000])
})

test('a success of the trying call ends the rest for all; one that never tells gives way to another', () => {
  const { clock, breaker, fail } = scene()
  fail(5)
  clock.advance(5000)
  assert.equal(breaker.ask('a'), 0)
  clock.advance(15_000)
  assert.equal(breaker.ask('a'), 0)
  breaker.told('a', true)
  assert.deepEqual([breaker.ask('a'), breaker.ask('a')], [0, 0])
})
