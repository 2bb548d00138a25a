/** Each thing that the chaos test proves, broken once: a check that cannot fail proves nothing. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ChaosEffect } from './effects.ts'
import type { DoneFault } from './faults.ts'
import type { Remains } from './remains.ts'
import { judge, type Story } from './verdict.ts'

const run = {
  id: 'r1',
  kind: 'workflow',
  target: 'chaos-run',
  status: 'completed',
  fence: 1,
  error: null,
  finishedAtMs: 500,
}
const task = {
  id: 't1',
  runId: null,
  kind: 'chaos-effect',
  status: 'completed',
  attempt: 1,
  lost: 0,
  error: null,
  createdAtMs: 10,
  finishedAtMs: 400,
}
const step = { runId: 'r1', position: 1, key: 's', kind: 'step', outcome: 'ok', value: '"v1"', atMs: 200 }
const effect = (more: Partial<ChaosEffect>): ChaosEffect => ({
  ...{ step: 's', idempotencyKey: 'r1/s', pid: 1, value: 'v1', attempt: 1, startedMs: 100, atMs: 150 },
  ...more,
})
const ofTask = effect({ step: 't', idempotencyKey: 't1', value: 'v2' })
const again = effect({ pid: 2, value: 'v3', startedMs: 120, atMs: 160 })
const harm = (pid: number): DoneFault => ({ kind: 'kill', what: 'x', fromMs: 0, endMs: 1, pids: [pid] })

const remains: Remains = {
  runs: [{ ...run, output: '{"s":"v1"}' }],
  tasks: [{ ...task, output: '"v2"' }],
  journal: [step],
  events: [
    { id: 1, runId: null, taskId: 't1', type: 'task.started', atMs: 1 },
    { id: 2, runId: null, taskId: 't1', type: 'task.completed', atMs: 2 },
  ],
  dead: [],
}

const good: Story = {
  promised: [
    { what: 'run', kind: 'chaos-run', id: 'r1', end: 'completed' },
    { what: 'task', kind: 'chaos-effect', id: 't1', end: 'completed', notBeforeMs: 50 },
  ],
  ...{ refusals: [], faults: [], remains, effects: [effect({}), ofTask], modelCalls: () => 0 },
  ...{ queues: [], unfinished: [], surprises: [] },
}

const failing = (change: Partial<Story>): string[] =>
  judge({ ...good, ...change }).flatMap(({ name, problems }) => (problems.length > 0 ? [name] : []))

/** The same with other rows. */
const withRows = (change: Partial<Remains>): Partial<Story> => ({ remains: { ...remains, ...change } })

test('judge() finds nothing where all is well', () => assert.deepEqual(failing({}), []))

test('judge() finds work that was accepted and is not done', () => {
  assert.match(
    failing(withRows({ runs: [{ ...run, status: 'waiting', output: '{}' }] })).join(),
    /all that the API had promised/,
  )
  assert.match(failing(withRows({ tasks: [] })).join(), /all that the API had promised/)
})

test('judge() finds a dead letter of work that could be done, and one after too few attempts', () => {
  const dead = [{ taskId: 't1', reason: 'attempts_used_up', attempts: 2 }]
  assert.match(failing(withRows({ dead })).join(), /what is dead is dead once/)
  const doomed = { what: 'task', kind: 'chaos-doomed', id: 't1', end: 'dead' } as const
  const tasks = [{ ...task, kind: 'chaos-doomed', status: 'dead', output: null }]
  assert.match(failing({ ...withRows({ dead, tasks }), promised: [doomed] }).join(), /what is dead is dead once/)
})

test('judge() finds a step that ran again in a process that nobody harmed, and takes one whose process was', () => {
  const effects = [effect({}), again, ofTask]
  assert.deepEqual(failing({ effects }), ['no journaled step ran again'])
  assert.deepEqual(failing({ effects, faults: [harm(2)] }), [])
})

test('judge() finds a step that began after it was journaled, though its process was killed later', () => {
  const effects = [effect({}), { ...again, startedMs: 300, atMs: 310 }, ofTask]
  assert.deepEqual(failing({ effects, faults: [harm(2)] }), ['no journaled step ran again'])
})

test('judge() finds two effects of one attempt, and one after the attempt that ended the task', () => {
  const other = { ...ofTask, pid: 2, value: 'v4' }
  const name = 'no task was done again unless its process had been harmed'
  assert.deepEqual(failing({ effects: [effect({}), ofTask, other], faults: [harm(2)] }), [name])
  assert.deepEqual(failing({ effects: [effect({}), ofTask, { ...other, attempt: 2 }], faults: [harm(2)] }), [name])
})

test('judge() finds a result of an attempt that had been taken over', () => {
  const second = { ...ofTask, attempt: 2, value: 'v4' }
  const tasks = [{ ...task, attempt: 2, lost: 1, output: '"v2"' }]
  const found = failing({ ...withRows({ tasks }), effects: [effect({}), ofTask, second], faults: [harm(1)] })
  assert.deepEqual(found, ['no stale result was taken: each task ended with the value of its last attempt'])
})

test('judge() finds a run that was told what nobody did', () => {
  assert.deepEqual(failing(withRows({ runs: [{ ...run, output: '{"s":"other"}' }] })), [
    'every run was told what was done',
  ])
})

test('judge() finds gaps and repeats in a journal', () => {
  const name = 'each journal is without gaps and tells each thing once'
  assert.deepEqual(failing(withRows({ journal: [step, { ...step, position: 3, key: 'x', kind: 'timer' }] })), [name])
  assert.deepEqual(failing(withRows({ journal: [step, { ...step, position: 2 }] })), [name])
})

test('judge() finds a second end, and what happens after an end', () => {
  const name = 'everything ended once, and nothing happened to it afterwards'
  const later = (type: string) => [...remains.events, { id: 3, runId: null, taskId: 't1', type, atMs: 3 }]
  assert.deepEqual(failing(withRows({ events: later('task.completed') })), [name])
  assert.deepEqual(failing(withRows({ events: later('task.requeued') })), [name])
})

test('judge() finds turns of an agent that were paid again', () => {
  const agent = { ...run, id: 'a1', kind: 'agent', target: 'chaos-agent', output: '"done"' }
  const turns = ['turn', 'turn#2', 'turn#3', 'turn#4'].map((key, i) => ({ ...step, runId: 'a1', key, position: i + 1 }))
  const rows = withRows({ runs: [...remains.runs, agent], journal: [step, ...turns] })
  assert.deepEqual(failing({ ...rows, modelCalls: () => 1 }), [])
  assert.deepEqual(failing({ ...rows, modelCalls: () => 2 }), [
    'no turn of an agent was paid twice but for calls under way',
  ])
})

test('judge() finds what began too early, what is left over, and what ended by itself', () => {
  assert.deepEqual(failing({ effects: [effect({}), { ...ofTask, startedMs: 10 }] }), ['nothing began before its time'])
  assert.deepEqual(failing({ unfinished: ['runs: 1 waiting'] }), ['nothing is left under way in the database'])
  assert.deepEqual(failing({ queues: ['aidos:{tasks}:wait: 1'] }), ['the queues in Redis are empty'])
  assert.deepEqual(failing({ surprises: ['x'] }), ['no process ended by itself'])
  assert.deepEqual(failing({ refusals: ['x'] }), ['no request was refused for good'])
})
