import assert from 'node:assert/strict'
import test from 'node:test'
import { makeFakeClock } from '../platform/clock.ts'
import { makeGate } from './gate.ts'

const scene = () => {
  const clock = makeFakeClock()
  const gate = makeGate({ now: clock.now, places: 20 })
  const fill = (channelId: string) => {
    const leaves: ((isAlive: boolean) => void)[] = []
    for (let leave = gate.enter(channelId); leave; leave = gate.enter(channelId)) leaves.push(leave)
    return leaves
  }
  return { clock, gate, fill }
}

test('a channel has at most half of the places, and another one the same', () => {
  const { fill } = scene()
  assert.equal(fill('a').length, 10)
  assert.equal(fill('b').length, 10)
})

test('a place that is given back can be taken again', () => {
  const { gate, fill } = scene()
  const [first] = fill('a')
  first!(true)
  assert.ok(gate.enter('a'))
  assert.equal(gate.enter('a'), undefined)
})

test('a channel whose call takes long gets three places, until that call ends well', () => {
  const { clock, gate, fill } = scene()
  const leave = gate.enter('a')!
  clock.advance(1001)
  assert.equal(fill('a').length, 2)
  leave(true)
  assert.equal(fill('a').length, 8)
})

test('a channel whose last call failed gets three places, until one succeeds', () => {
  const { gate, fill } = scene()
  gate.enter('a')!(false)
  const leaves = fill('a')
  assert.equal(leaves.length, 3)
  leaves[0]!(true)
  assert.equal(fill('a').length, 8)
})
