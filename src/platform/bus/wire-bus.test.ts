import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeTestBuses, settle } from '../../../test/support/test-buses.ts'
import type { FakeClock } from '../clock.ts'
import type { Event } from '../events/event.ts'
import { makeEventHub } from '../events/hub.ts'
import { relayEvents } from '../events/relay.ts'
import type { Json } from '../json.ts'
import type { Bus } from './bus.ts'

const eventOf = (id: number, runId: string, type = 'run.completed'): Event => ({
  ...{ id, runId, type, taskId: null, tenantId: 'tenant-a', projectId: null, data: {}, atMs: 1 },
})

test('a message reaches the process it is for, in order, and no other', async () => {
  const { buses } = await makeTestBuses(['a', 'b', 'c'])
  const [a, b, c] = buses as [(typeof buses)[0], (typeof buses)[0], (typeof buses)[0]]
  const heard: Json[] = []
  b.on('topic', (message, from) => heard.push([from, message]))
  c.on('topic', (message) => heard.push(['wrong', message]))
  for (const bus of buses) await bus.start()
  a.send('b', 'topic', 1)
  a.send('b', 'topic', 2)
  await settle()
  assert.deepEqual(heard, [
    ['a', 1],
    ['a', 2],
  ])
})

test('ask() resolves when all others have acted', async () => {
  const { buses } = await makeTestBuses(['a', 'b', 'c'])
  let acted = 0
  for (const bus of buses) bus.on('topic', () => void acted++)
  for (const bus of buses) await bus.start()
  await settle()
  await buses[0]!.ask('topic', null)
  assert.equal(acted, 2)
})

test('ask() does not wait for ever for a process that is silent, and not again until it speaks', async () => {
  const { buses, clock } = await makeTestBuses(['a', 'b'])
  const [a, b] = buses as [(typeof buses)[0], (typeof buses)[0]]
  for (const bus of buses) await bus.start()
  await settle()
  await b.stop()
  let isDone = false
  const asked = a.ask('topic', null).then(() => {
    isDone = true
  })
  await settle()
  assert.equal(isDone, false)
  clock.advance(250)
  await asked
  await a.ask('topic', null)
})

test('a process that is not heard of any more has left', async () => {
  const { buses, clock } = await makeTestBuses(['a', 'b'])
  const left: string[] = []
  buses[0]!.onLeft((id) => left.push(id))
  for (const bus of buses) await bus.start()
  await settle()
  await buses[1]!.stop()
  for (let i = 0; i < 5; i++) {
    clock.advance(5000)
    await settle()
  }
  assert.deepEqual(left, ['b'])
})

test('an event committed in one process reaches the listener of another, and only what is asked for travels', async () => {
  const { buses } = await makeTestBuses(['a', 'b'])
  const [here, there] = [makeEventHub(), makeEventHub()]
  relayEvents(here, buses[0]!)
  relayEvents(there, buses[1]!)
  for (const bus of buses) await bus.start()
  await settle()
  const heard: number[] = []
  const end = here.subscribe({ runId: 'run-1' }, (event) => heard.push(event.id))
  await here.settled()
  there.publish([eventOf(1, 'run-1'), eventOf(2, 'run-2')])
  await settle()
  assert.deepEqual(heard, [1])
  end()
  await settle()
  const sent: string[] = []
  buses[0]!.on('events', () => sent.push('events'))
  there.publish([eventOf(3, 'run-1')])
  await settle()
  assert.deepEqual(sent, [])
})

test('interests outlive an outage of the wire', async () => {
  const { buses, wires, errors } = await makeTestBuses(['a', 'b'])
  const [here, there] = [makeEventHub(), makeEventHub()]
  relayEvents(here, buses[0]!)
  relayEvents(there, buses[1]!)
  for (const bus of buses) await bus.start()
  await settle()
  wires.cut()
  const heard: number[] = []
  here.subscribe({ types: ['run.failed'] }, (event) => heard.push(event.id))
  await settle()
  assert.ok(errors.length > 0)
  wires.mend()
  await settle()
  there.publish([eventOf(1, 'run-1', 'run.failed'), eventOf(2, 'run-1')])
  await settle()
  assert.deepEqual(heard, [1])
})

/** The answer of `gone()`, which looks twice. */
const goneAt = async (bus: Bus, clock: FakeClock): Promise<string[]> => {
  const answer = bus.gone()
  await settle()
  clock.advance(400)
  await settle()
  clock.advance(400)
  return answer
}

test('gone() names who ended without a word, not who was there a moment ago or while the wire was down', async () => {
  const { buses, clock, wires } = await makeTestBuses(['a', 'b', 'c'])
  const [a, b, c] = buses as [Bus, Bus, Bus]
  const left: string[] = []
  a.onLeft((id) => left.push(id))
  for (const bus of buses) await bus.start()
  await settle()
  clock.advance(5000)
  await settle()
  assert.deepEqual(await goneAt(a, clock), [])
  await b.stop()
  assert.deepEqual(await goneAt(a, clock), [])
  wires.mend()
  assert.deepEqual(await goneAt(a, clock), [])
  clock.advance(5000)
  await settle()
  assert.deepEqual(await goneAt(a, clock), ['b'])
  assert.deepEqual(await goneAt(a, clock), ['b'])
  assert.deepEqual(left, [])
  const leftByC: string[] = []
  c.onLeft((id) => leftByC.push(id))
  const declared = a.declareGone(['b'])
  await settle()
  clock.advance(250)
  await declared
  assert.deepEqual([left, leftByC], [['b'], ['b']])
  assert.deepEqual(await goneAt(a, clock), [])
})

test('gone() does not name who shows life though nobody is found to hear its channel', async () => {
  const { buses, clock, wires } = await makeTestBuses(['a', 'b'])
  const [a, b] = buses as [Bus, Bus]
  for (const bus of buses) await bus.start()
  await settle()
  clock.advance(5000)
  await settle()
  wires.hide('test:bus:b')
  for (let i = 0; i < 3; i++) {
    clock.advance(1000)
    await settle()
    assert.deepEqual(await goneAt(a, clock), [])
    // Shown again between the two looks.
    wires.flush()
    assert.deepEqual(await goneAt(a, clock), [])
  }
  await b.stop()
  clock.advance(2000)
  await settle()
  assert.deepEqual(await goneAt(a, clock), ['b'])
})

test('what was said just before the end is still heard', async () => {
  const { buses } = await makeTestBuses(['a', 'b'])
  const heard: Json[] = []
  buses[1]!.on('topic', (message) => heard.push(message))
  for (const bus of buses) await bus.start()
  await settle()
  buses[0]!.broadcast('topic', 'I leave')
  await buses[0]!.stop()
  await settle()
  assert.deepEqual(heard, ['I leave'])
})

test('a listener that throws keeps nobody from the other messages', async () => {
  const { buses, errors } = await makeTestBuses(['a', 'b'])
  const heard: Json[] = []
  buses[1]!.on('broken', () => {
    throw new Error('not like this')
  })
  buses[1]!.on('topic', (message) => heard.push(message))
  for (const bus of buses) await bus.start()
  await settle()
  buses[0]!.send('b', 'broken', null)
  buses[0]!.send('b', 'topic', 1)
  await settle()
  assert.deepEqual([heard, errors.length], [[1], 1])
})

test('a process is known from its first word until it has left', async () => {
  const { buses } = await makeTestBuses(['a', 'b'])
  await buses[0]!.start()
  assert.equal(buses[0]!.knows('b'), false)
  await buses[1]!.start()
  await settle()
  assert.equal(buses[0]!.knows('b'), true)
  await buses[0]!.declareGone(['b'])
  assert.equal(buses[0]!.knows('b'), false)
})
