import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, test } from 'node:test'
import { type Case, readCases } from './case.ts'
import { checkCase } from './check-case.ts'
import { makeMatcher } from './matcher.ts'

/** The recorded cases lie beside the repository; a clone by itself does not have them. */
const recorded = path.resolve(import.meta.dirname, '../../../shared/asl-cases/dev.jsonl')

test('the recorded cases give what the service gave', {
  skip: !existsSync(recorded) && 'the recorded cases are not here',
}, async () => {
  const failed: string[] = []
  for (const one of readCases(readFileSync(recorded, 'utf8'))) {
    const { outcome, why } = await checkCase(one)
    if (outcome === 'failed') failed.push(`${one.id}: ${why}`)
  }
  assert.deepEqual(failed, [])
})

const base: Case = {
  id: 'own/case',
  folder: 'own',
  kind: 'run',
  definition: {
    StartAt: 'T',
    States: { T: { Type: 'Task', Resource: 'x', TimeoutSeconds: 5, Next: 'P' }, P: { Type: 'Pass', End: true } },
  },
  input: { n: 1 },
  expected: { status: 'SUCCEEDED', output: { made: '<uuid:1>' } },
  taskAnswers: [{ state: 'T', outcome: 'succeeded', output: { made: 'abc' } }],
  unbound: ['<uuid:1>'],
  history: [
    { type: 'ExecutionStarted', id: 1, prev: 0 },
    { type: 'TaskStateEntered', id: 2, prev: 0, stateName: 'T', input: { n: 1 } },
    { type: 'TaskScheduled', id: 3, prev: 2, parameters: { n: 1 }, timeoutInSeconds: 5 },
    { type: 'TaskSucceeded', id: 4, prev: 3, output: { made: '<uuid:1>' } },
    { type: 'TaskStateExited', id: 5, prev: 4, stateName: 'T', output: { made: '<uuid:1>' } },
    { type: 'PassStateEntered', id: 6, prev: 5, stateName: 'P' },
    { type: 'PassStateExited', id: 7, prev: 6, stateName: 'P' },
    { type: 'ExecutionSucceeded', id: 8, prev: 7 },
  ],
}

describe('the runner', () => {
  const outcomeOf = async (changes: Partial<Case>) => (await checkCase({ ...base, ...changes })).outcome

  test('passes a case that is right', async () => assert.deepEqual(await checkCase(base), { outcome: 'passed' }))

  test('fails a case for another status, output, error or history', async () => {
    assert.equal(await outcomeOf({ expected: { status: 'FAILED', error: 'X' } }), 'failed')
    assert.equal(await outcomeOf({ expected: { status: 'SUCCEEDED', output: { made: 'other' } } }), 'failed')
    assert.equal(
      await outcomeOf({
        taskAnswers: [{ state: 'T', outcome: 'failed', error: 'Y', cause: 'z' }],
        expected: { status: 'FAILED', error: 'X', cause: 'z' },
      }),
      'failed',
    )
    assert.equal(await outcomeOf({ history: base.history!.slice(0, -2) }), 'failed')
    assert.equal(
      await outcomeOf({
        history: base.history!.map((event) => (event.id === 3 ? { ...event, timeoutInSeconds: 6 } : event)),
      }),
      'failed',
    )
  })

  test('lets the engine time out when a task was never answered', async () => {
    const expected = { status: 'FAILED', error: 'States.Timeout' }
    const { history: _, ...rest } = base
    assert.deepEqual(await checkCase({ ...rest, expected, taskAnswers: [{ state: 'T', outcome: 'timedOut' }] }), {
      outcome: 'passed',
    })
  })

  test('skips mocks that are checked against models of services, and says so', async () => {
    const { outcome, why } = await checkCase({ ...base, hints: ['aws-api-model'] })
    assert.equal(outcome, 'skipped')
    assert.match(String(why), /models/)
  })
})

describe('the matcher', () => {
  const matcher = makeMatcher({ ...base, bindings: { '<region>': 'here', name: 'ada' }, unbound: ['<id:1>', 'date'] })

  test('replaces bound tokens and lets open ones stand for anything', () => {
    assert.equal(matcher.difference('arn:<region>:name', 'arn:here:ada'), undefined)
    assert.equal(matcher.difference('date', { any: 1 }), undefined)
    assert.equal(matcher.difference('at date, update', 'at 5 o’clock, update'), undefined)
    assert.notEqual(matcher.difference('update', 'up5'), undefined)
  })

  test('holds the same token to the same text', () => {
    assert.equal(matcher.difference(['a <id:1>', 'b <id:1>'], ['a 7', 'b 7']), undefined)
    assert.notEqual(matcher.difference('c <id:1>', 'c 8'), undefined)
  })

  test('compares texts that are JSON as JSON, and numbers by value', () => {
    assert.equal(matcher.difference('{"a": 1, "b": 2}', '{"b":2,"a":1.0}'), undefined)
    assert.notEqual(matcher.difference('{"a": 1}', '{"a":2}'), undefined)
    assert.notEqual(matcher.difference({ a: 1 }, { a: 1, b: 2 }), undefined)
  })
})
