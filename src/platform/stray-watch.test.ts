import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeFakeClock } from './clock.ts'
import { makeStrayWatch } from './stray-watch.ts'

const setUp = () => {
  const clock = makeFakeClock()
  const held = new Map<string, { id: string; fence: number }>()
  const known = new Set<string>()
  const givenUp: string[] = []
  const atWork = new Map<string, { id: string; fence: number }>()
  const letGo: string[] = []
  const state = { isAway: false }
  const watch = makeStrayWatch({
    clock,
    everyMs: 5000,
    async held() {
      if (state.isAway) throw new Error('the database is away')
      return [...held.values()]
    },
    isKnown: ({ id }) => known.has(id),
    keyOf: ({ id, fence }) => `${id}:${fence}`,
    async giveUp({ id, fence }) {
      givenUp.push(`${id}:${fence}`)
      held.delete(id)
    },
    atWork: () => [...atWork.values()],
    letGo({ id, fence }) {
      letGo.push(`${id}:${fence}`)
      atWork.delete(id)
    },
    onError: () => {},
  })
  watch.start()
  const looks = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) {
      clock.advance(5000)
      for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
    }
  }
  return { clock, held, known, givenUp, atWork, letGo, looks, watch, state }
}

test('what is held and not known at two looks is given up, once', async () => {
  const { held, givenUp, looks } = setUp()
  held.set('a', { id: 'a', fence: 1 })
  await looks(1)
  assert.deepEqual(givenUp, [], 'it may just have been taken')
  await looks(3)
  assert.deepEqual(givenUp, ['a:1'])
})

test('what is known is left alone, and so is what was taken anew between two looks', async () => {
  const { held, known, givenUp, looks } = setUp()
  held.set('a', { id: 'a', fence: 1 })
  known.add('a')
  held.set('b', { id: 'b', fence: 1 })
  await looks(1)
  held.set('b', { id: 'b', fence: 3 })
  await looks(1)
  assert.deepEqual(givenUp, [])
})

test('what is done and not held at two looks is let go of, once', async () => {
  const { held, known, atWork, letGo, givenUp, looks } = setUp()
  for (const id of ['ended', 'taken', 'mine']) {
    atWork.set(id, { id, fence: 1 })
    known.add(id)
    held.set(id, { id, fence: 1 })
  }
  await looks(2)
  assert.deepEqual(letGo, [])
  held.delete('ended')
  held.set('taken', { id: 'taken', fence: 2 })
  await looks(1)
  assert.deepEqual(letGo, [], 'it may just have ended')
  await looks(3)
  assert.deepEqual(letGo, ['ended:1', 'taken:1'])
  assert.deepEqual(givenUp, [])
})

test('the watch outlasts an outage of the database, and ends', async () => {
  const { held, givenUp, looks, watch, state } = setUp()
  held.set('a', { id: 'a', fence: 1 })
  state.isAway = true
  await looks(3)
  state.isAway = false
  await looks(1)
  assert.deepEqual(givenUp, [])
  watch.stop()
  await looks(3)
  assert.deepEqual(givenUp, [])
})

test('with a reason to look the watch looks twice within two seconds, and then as before', async () => {
  const { clock, held, givenUp, watch } = setUp()
  const pass = async (ms: number): Promise<void> => {
    clock.advance(ms)
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
  }
  held.set('a', { id: 'a', fence: 1 })
  watch.soon()
  await pass(500)
  watch.soon()
  await pass(500)
  assert.deepEqual(givenUp, [])
  await pass(1000)
  assert.deepEqual(givenUp, ['a:1'])
  held.set('b', { id: 'b', fence: 1 })
  await pass(4000)
  await pass(4000)
  assert.deepEqual(givenUp, ['a:1'])
})
