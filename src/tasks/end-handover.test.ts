import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeTestBuses, settle } from '../../test/support/test-buses.ts'
import type { FinishedTask } from '../engine/index.ts'
import { type HandedEnd, makeEndHandover } from './end-handover.ts'

/** Process `a` did the task of a run that `b` carries. */
const makeProcesses = async () => {
  const { buses, clock } = await makeTestBuses(['a', 'b'])
  const offered: FinishedTask[] = []
  const state = { takes: true }
  const [a] = buses.map((bus) => {
    const offer = (task: FinishedTask): boolean => state.takes && offered.push(task) > 0
    return makeEndHandover({ bus, clock, inbox: () => ({ offer, wake: () => {} }) })
  }) as [ReturnType<typeof makeEndHandover>]
  for (const bus of buses) await bus.start()
  await settle()
  const answers: string[] = []
  const hand = async (name: string, more: Partial<HandedEnd> = {}): Promise<void> => {
    const end = { status: 'completed', outputText: '1', error: null, atMs: 1 } as const
    const handed = { taskId: 'task-1', fence: 0, runId: 'run-1', stepKey: 'step', end, events: [], ...more }
    void a.hand('b', handed).then((isDurable) => answers.push(`${name} ${isDurable}`))
    await settle()
  }
  return { buses, clock, offered, answers, hand, state }
}

test('an end is durable when the run has committed it, and not when the run does not want it', async () => {
  const { offered, answers, hand, state } = await makeProcesses()
  await hand('taken')
  assert.deepEqual(answers, [])
  offered[0]?.committed?.()
  await settle()
  state.takes = false
  await hand('refused', { taskId: 'task-2' })
  assert.deepEqual(answers, ['taken true', 'refused false'])
})

test('an end that arrives twice is offered once', async () => {
  const { buses, offered, answers, hand } = await makeProcesses()
  await hand('end')
  const end = { status: 'completed', outputText: '1', error: null, atMs: 1 }
  buses[0]?.send('b', 'tasks:ended', { taskId: 'task-1', fence: 0, runId: 'run-1', stepKey: 'step', end, events: [] })
  await settle()
  assert.deepEqual([offered.length, answers], [1, []])
})

test('nobody waits for a process that has left, neither then nor later', async () => {
  const { buses, offered, answers, hand } = await makeProcesses()
  await hand('before')
  await buses[0]?.declareGone(['b'])
  await settle()
  await hand('after')
  assert.deepEqual(answers, ['before false', 'after false'])
  assert.equal(offered.length, 1)
})

test('who does not answer is waited for once, until he answers', async () => {
  const { clock, offered, answers, hand } = await makeProcesses()
  await hand('first')
  clock.advance(5000)
  await settle()
  await hand('second', { taskId: 'task-2' })
  assert.deepEqual(answers, ['first false', 'second false'])
  offered[0]?.failed(new Error('stale'))
  await settle()
  await hand('third', { taskId: 'task-3' })
  offered[1]?.committed?.()
  await settle()
  assert.deepEqual(answers.slice(2), ['third true'])
})

test('the answer to an end of an earlier owner is not taken for the next one', async () => {
  const { clock, offered, answers, hand } = await makeProcesses()
  await hand('old')
  clock.advance(1000)
  await hand('new', { fence: 2 })
  offered[0]?.failed(new Error('stale'))
  await settle()
  assert.deepEqual(answers, ['old false'])
  clock.advance(4500)
  await settle()
  offered[1]?.committed?.()
  await settle()
  assert.deepEqual(answers, ['old false', 'new true'])
})
