import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeTestBuses, settle } from '../../../test/support/test-buses.ts'
import { type LentPlaces, makeLentPlaces } from './lent-places.ts'

interface Work {
  readonly id: string
  readonly workerId: string | null
  readonly text?: string
}

/** Processes `a` and `c` make work; `b` has places for it. */
const makeProcesses = async (placesOfB: number, concurrencyOfB = 9) => {
  const { buses, clock, wires } = await makeTestBuses(['a', 'b', 'c'])
  const stored = new Map<string, Work>()
  const running: { work: Work; free: () => void; from: string }[] = []
  const errors: string[] = []
  const orphans: string[] = []
  const doubts: string[] = []
  const [a, b, c] = buses.map((bus, i) =>
    makeLentPlaces<Work>({
      ...{ bus, clock, workerId: 'abc'[i] as string, topic: 'test' },
      read: async (id) => stored.get(id),
      run: (work, free, from) => void running.push({ work, free, from }),
      orphaned: ({ id }) => orphans.push(id),
      onDoubt: () => doubts.push('abc'[i] as string),
      onError: (_, id) => errors.push(id),
    }),
  ) as [LentPlaces<Work>, LentPlaces<Work>, LentPlaces<Work>]
  for (const bus of buses) await bus.start()
  await settle()
  let freeOfB = placesOfB
  b.lend('tasks', concurrencyOfB, () => {
    if (freeOfB === 0) return undefined
    freeOfB--
    return () => void freeOfB++
  })
  return { a, b, c, buses, clock, wires, stored, running, errors, orphans, doubts, freeOfB: () => freeOfB }
}

const workFor = (workerId: string, id = 'work-1'): Work => ({ id, workerId })

test('a place that was missed is lent for the next time, and work reaches its lender whole', async () => {
  const { a, running, freeOfB } = await makeProcesses(2)
  assert.equal(a.take('tasks', 'tenant'), undefined)
  await settle()
  assert.equal(freeOfB(), 1)
  const place = a.take('tasks', 'tenant')
  assert.equal(place?.workerId, 'b')
  place?.start({ ...workFor('b'), text: 'short' })
  await settle()
  assert.deepEqual([running[0]?.work, running[0]?.from], [{ ...workFor('b'), text: 'short' }, 'a'])
})

test('a place is lent again when its work is done, and given back when there was no work', async () => {
  const { a, running, freeOfB } = await makeProcesses(1)
  a.take('tasks', 'tenant')
  await settle()
  a.take('tasks', 'tenant')?.giveBack()
  const place = a.take('tasks', 'tenant')
  place?.start(workFor('b'))
  await settle()
  assert.equal(a.take('tasks', 'tenant'), undefined)
  running[0]?.free()
  await settle()
  assert.equal(a.take('tasks', 'tenant')?.workerId, 'b')
  assert.equal(freeOfB(), 0)
})

test('work that is too large to travel is read by who does it, if it is still his', async () => {
  const { a, stored, running } = await makeProcesses(2)
  const large = { ...workFor('b', 'large'), text: 'x'.repeat(20_000) }
  a.take('tasks', 'tenant')
  a.take('tasks', 'tenant')
  await settle()
  stored.set('large', large)
  a.take('tasks', 'tenant')?.start(large)
  await settle()
  assert.deepEqual(
    running.map(({ work }) => work),
    [large],
  )
  a.take('tasks', 'tenant')
  await settle()
  stored.set('large', { ...large, workerId: 'c' })
  a.take('tasks', 'tenant')?.start(large)
  await settle()
  assert.equal(running.length, 1)
})

test('who is full takes back what is not used, and lends nothing for a while', async () => {
  const { a, b, clock, running, freeOfB } = await makeProcesses(3)
  a.take('tasks', 'tenant')
  a.take('tasks', 'tenant')
  await settle()
  clock.advance(1000)
  await settle()
  const place = a.take('tasks', 'tenant')
  b.full('tasks')
  assert.equal(freeOfB(), 3)
  await settle()
  assert.equal(a.take('tasks', 'tenant'), undefined)
  await settle()
  assert.equal(a.take('tasks', 'tenant'), undefined)
  // On its way when the place was taken back: it is committed, so it is done.
  place?.start(workFor('b'))
  await settle()
  assert.equal(running.length, 1)
  running[0]?.free()
  assert.equal(freeOfB(), 3)
  clock.advance(1000)
  await settle()
  assert.equal(a.take('tasks', 'tenant')?.workerId, 'b')
})

test('a place that becomes free while its lender is full is not lent again', async () => {
  const { a, b, running, freeOfB } = await makeProcesses(1)
  a.take('tasks', 'tenant')
  await settle()
  a.take('tasks', 'tenant')?.start(workFor('b'))
  await settle()
  b.full('tasks')
  running[0]?.free()
  await settle()
  assert.equal(freeOfB(), 1)
  assert.equal(a.take('tasks', 'tenant'), undefined)
})

test('nothing is handed to a lender that stopped, or was declared gone', async () => {
  for (const end of ['stop', 'gone']) {
    const { a, b, buses } = await makeProcesses(1)
    a.take('tasks', 'tenant')
    await settle()
    if (end === 'stop') b.stop()
    else await buses[0]?.declareGone(['b'])
    await settle()
    assert.equal(a.take('tasks', 'tenant'), undefined, end)
  }
})

test('a borrower that has left gives its places back, and a gap ends all that is lent', async () => {
  for (const end of ['left', 'gap']) {
    const { a, buses, wires, freeOfB } = await makeProcesses(1)
    a.take('tasks', 'tenant')
    await settle()
    assert.equal(freeOfB(), 0)
    if (end === 'gap') wires.mend()
    else await buses[1]?.declareGone(['a'])
    await settle()
    assert.equal(freeOfB(), 1, end)
  }
})

test('places are asked for less and less often while nobody has any', async () => {
  const { a, buses, clock } = await makeProcesses(0)
  let asked = 0
  buses[1]?.on('test:places-wanted', () => void asked++)
  for (let ms = 0; ms < 3000; ms += 10) {
    a.take('tasks', 'tenant')
    clock.advance(10)
    await settle()
  }
  assert.ok(asked >= 5 && asked <= 9, `${asked} questions in three seconds`)
})

test('a spare place is for a tenant that has made nothing for a moment, also while its lender is full', async () => {
  const { a, b, clock, running } = await makeProcesses(0, 10)
  a.take('tasks', 'busy')
  b.full('tasks')
  await settle()
  assert.equal(a.take('tasks', 'busy'), undefined)
  a.take('tasks', 'quiet')?.start(workFor('b'))
  await settle()
  assert.equal(running.length, 1)
  clock.advance(500)
  assert.equal(a.take('tasks', 'quiet'), undefined)
  running[0]?.free()
  await settle()
  assert.equal(a.take('tasks', 'quiet'), undefined)
  clock.advance(500)
  assert.equal(a.take('tasks', 'quiet')?.workerId, 'b')
})

test('a place whose borrower left while its work was under way goes back to its lender', async () => {
  const { a, buses, running, freeOfB } = await makeProcesses(1)
  a.take('tasks', 'tenant')
  await settle()
  a.take('tasks', 'tenant')?.start(workFor('b'))
  await settle()
  void buses[1]?.declareGone(['a'])
  running[0]?.free()
  await settle()
  assert.equal(freeOfB(), 1)
})

test('a gap that only one side had leaves nothing lent that is not borrowed, nor the other way round', async () => {
  for (const [side, other] of [
    [0, 'b'],
    [1, 'a'],
  ] as const) {
    const { a, buses, freeOfB } = await makeProcesses(1)
    a.take('tasks', 'tenant')
    await settle()
    assert.equal(freeOfB(), 0)
    // Who was taken for gone and is heard of again has joined anew, for whoever thought so and for nobody else.
    await buses[side]?.declareGone([other])
    await buses[1 - side]?.start()
    await settle()
    assert.equal(freeOfB(), 1, `${other} had no gap`)
    assert.equal(a.take('tasks', 'tenant'), undefined, `${other} had no gap`)
  }
})

test('a place that was taken back while its work was being committed is not kept when there is no such commit', async () => {
  const { a, b, freeOfB } = await makeProcesses(1)
  a.take('tasks', 'tenant')
  await settle()
  const place = a.take('tasks', 'tenant')
  b.full('tasks')
  await settle()
  place?.giveBack()
  assert.equal(a.take('tasks', 'tenant'), undefined)
  assert.equal(freeOfB(), 1)
})

test('work that arrives twice, or after it was refused, is not begun', async () => {
  const { a, b, buses, running } = await makeProcesses(2)
  a.take('tasks', 'tenant')
  a.take('tasks', 'tenant')
  await settle()
  a.take('tasks', 'tenant')?.start(workFor('b', 'once'))
  buses[0]?.send('b', 'test:start', ['tasks', 'places', 'once', JSON.stringify(workFor('b', 'once'))])
  await settle()
  running[0]?.free()
  await settle()
  b.refuse('late')
  a.take('tasks', 'tenant')?.start(workFor('b', 'late'))
  await settle()
  assert.equal(a.take('tasks', 'tenant')?.workerId, 'b', 'its place is lent again')
  assert.deepEqual(
    running.map(({ work }) => work.id),
    ['once'],
  )
})

test('a place is not lent twice when its work ends twice', async () => {
  const { a, running, freeOfB } = await makeProcesses(1)
  a.take('tasks', 'tenant')
  await settle()
  a.take('tasks', 'tenant')?.start(workFor('b'))
  await settle()
  running[0]?.free()
  running[0]?.free()
  await settle()
  assert.equal(a.take('tasks', 'tenant')?.workerId, 'b')
  assert.equal(a.take('tasks', 'tenant'), undefined)
  assert.equal(freeOfB(), 0)
})

test('work whose lender was gone when it was committed is for its maker to save', async () => {
  const { a, buses, orphans, running } = await makeProcesses(1)
  a.take('tasks', 'tenant')
  await settle()
  const place = a.take('tasks', 'tenant')
  await buses[0]?.declareGone(['b'])
  place?.start(workFor('b'))
  await settle()
  assert.deepEqual([orphans, running.length], [['work-1'], 0])
})

test('after a gap of one side all doubt what was sent', async () => {
  const { buses, doubts } = await makeProcesses(1)
  doubts.splice(0)
  // Heard of again by `a` alone, for which that is a gap.
  await buses[0]?.declareGone(['b'])
  await buses[1]?.start()
  await settle()
  assert.deepEqual([...new Set(doubts)].sort(), ['a', 'b', 'c'])
})

test('a borrower that uses none of its places loses them to one that wants some', async () => {
  const { a, c, clock, running, freeOfB } = await makeProcesses(2)
  a.take('tasks', 'tenant')
  a.take('tasks', 'tenant')
  await settle()
  clock.advance(1000)
  await settle()
  assert.equal(freeOfB(), 0)
  a.take('tasks', 'tenant')?.start(workFor('b'))
  await settle()
  // `a` is at work.
  c.take('tasks', 'other')
  await settle()
  assert.equal(c.take('tasks', 'other'), undefined)
  running[0]?.free()
  await settle()
  clock.advance(1000)
  await settle()
  assert.equal(c.take('tasks', 'other')?.workerId, 'b')
  assert.equal(a.take('tasks', 'tenant'), undefined)
})
