import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Json } from '../../platform/json.ts'
import type { EventView } from '../../sdk/views.ts'
import { plainStyle } from '../style.ts'
import { drawTree, formatDuration } from './draw.ts'
import { makeTimeline } from './timeline.ts'

const START = Date.UTC(2026, 0, 1)

const draw = (
  events: readonly [type: string, data: Record<string, Json>, runId?: string][],
  height = 100,
): string[] => {
  const timeline = makeTimeline('r', 'workflow w')
  events.forEach(([type, data, runId = 'r'], i) => {
    const event: EventView = { id: i + 1, type, at: new Date(START + i * 10).toISOString(), runId, taskId: null, data }
    timeline.apply(event)
  })
  return drawTree(timeline.root, { nowMs: START + 1000, style: plainStyle, width: 100, height })
}

describe('a timeline', () => {
  test('shows steps and tasks with attempt, duration and what they do', () => {
    const lines = draw([
      ['run.created', {}],
      ['run.started', {}],
      ['step.started', { step: 'load', attempt: 1 }],
      ['step.completed', { step: 'load', attempt: 1, durationMs: 7 }],
      ['task.started', { step: 'pay', kind: 'skill:bank/pay', attempt: 1 }],
      [
        'task.retrying',
        { step: 'pay', kind: 'skill:bank/pay', attempt: 1, error: { code: 'x', message: 'no' }, retryAtMs: START },
      ],
      ['task.started', { step: 'pay', kind: 'skill:bank/pay', attempt: 2 }],
      ['task.completed', { step: 'pay', kind: 'skill:bank/pay', attempt: 2, durationMs: 1500 }],
      ['task.started', { step: 'tell', kind: 'skill:mail/send', attempt: 1 }],
    ])
    assert.deepEqual(lines, [
      '● workflow w  1.0 s',
      '  ✔ load  7 ms',
      '  ✔ pay skill:bank/pay  1.5 s · attempt 2',
      '  ● tell skill:mail/send  920 ms',
    ])
  })

  test('tells what a run waits for, and each wait for the same signal by itself', () => {
    const lines = draw([
      ['run.created', {}],
      ['signal.waiting', { signal: 'ok' }],
      ['signal.received', { signal: 'ok' }],
      ['signal.waiting', { signal: 'ok', dueMs: START }],
      ['run.waiting', { for: 'signal:ok' }],
    ])
    assert.deepEqual(lines, [
      '◌ workflow w  1.0 s · waits for signal:ok',
      '  ✔ ok (signal)  10 ms',
      '  ◌ ok#2 (signal)  waits 970 ms · until 2026-01-01 00:00:00Z',
    ])
  })

  test('gathers the items of a Map and counts them when there are many', () => {
    const items = Array.from({ length: 9 }, (_, i): [string, Record<string, Json>] => [
      i < 7 ? 'task.completed' : 'task.started',
      { step: `Each[${i}]/Read`, kind: 'skill:files/read', attempt: 1, durationMs: 1 },
    ])
    const many = draw([['run.created', {}], ['state.entered', { state: 'Each', kind: 'Map' }], ...items])
    assert.equal(many.length, 2)
    assert.match(many[1]!, /● Each {2}990 ms · 2 running, 7 done/)
    const few = draw([['run.created', {}], ...items.slice(0, 1), ['state.exited', { state: 'Each' }]])
    assert.deepEqual(few.slice(1), [
      '  ✔ Each  10 ms · 1 done',
      '    ● Each[0]  990 ms',
      '      ✔ Read skill:files/read  1 ms',
    ])
  })

  test('hangs the steps of a child run below it', () => {
    const lines = draw([
      ['run.created', {}],
      ['run.child', { step: 'agent:a', childRunId: 'c', target: 'a' }],
      ['run.created', {}, 'c'],
      ['step.completed', { step: 'turn', attempt: 1, durationMs: 3 }, 'c'],
      ['run.completed', { durationMs: 20 }, 'c'],
      ['run.completed', { durationMs: 40 }],
    ])
    assert.deepEqual(lines, ['✔ workflow w  40 ms', '  ✔ agent:a a  20 ms', '    ✔ turn  3 ms'])
  })

  test('ends with the run: what was still open is called off, and the reason is shown', () => {
    const lines = draw([
      ['run.created', {}],
      ['task.started', { step: 't', kind: 'k', attempt: 1 }],
      ['run.failed', { durationMs: 5, error: { code: 'broken', message: 'it broke' } }],
    ])
    assert.equal(lines[0], '✖ workflow w  5 ms · it broke')
    assert.match(lines[1]!, /^ {2}– t k/)
  })

  test('passes over what it does not know', () => {
    const lines = draw([
      ['run.created', {}],
      ['comet.seen', { x: 1 }],
      ['task.juggled', { step: 't' }],
    ])
    assert.deepEqual(lines, ['◌ workflow w  1.0 s'])
  })

  test('fits the height of the terminal by leaving out what is over', () => {
    const steps = Array.from({ length: 30 }, (_, i): [string, Record<string, Json>] => [
      'step.completed',
      { step: `s${i}`, durationMs: 1 },
    ])
    const lines = draw([['run.created', {}], ...steps, ['step.started', { step: 'now', attempt: 1 }]], 8)
    assert.equal(lines.length, 8)
    assert.match(lines[1]!, /… 25 more that are over/)
    assert.match(lines.at(-1)!, /● now/)
  })
})

test('formatDuration() keeps to two units', () => {
  assert.deepEqual([5, 1500, 65_000, 3_700_000, 200_000_000].map(formatDuration), [
    '5 ms',
    '1.5 s',
    '1 min 5 s',
    '1 h 1 min',
    '2 d 7 h',
  ])
})
