import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Json, JsonObject } from '../../src/platform/json.ts'
import type { Case } from './case.ts'
import { checkCase } from './check-case.ts'

const put = (key: string) => ({ op: 'put_object', bucket: 'b', key, body: `[${JSON.stringify(key)}]` })

const listed = (fields: JsonObject, output: Json): Case => {
  return {
    id: 'listed',
    folder: 'maps',
    kind: 'run',
    setup: [put('p/b'), put('p/a'), put('q/c'), put('p/B')],
    definition: {
      StartAt: 'M',
      States: {
        M: {
          Type: 'Map',
          ItemReader: {
            Resource: 'arn:aws:states:::s3:listObjectsV2',
            Parameters: { Bucket: 'b', Prefix: 'p/' },
            ...fields,
          },
          ItemSelector: { 'item.$': '$$.Map.Item.Value' },
          ItemProcessor: {
            ProcessorConfig: { Mode: 'DISTRIBUTED', ExecutionType: 'STANDARD' },
            StartAt: 'I',
            States: { I: { Type: 'Pass', End: true } },
          },
          End: true,
        },
      },
    },
    expected: { status: 'SUCCEEDED', output },
  }
}

test('the items in all objects of a bucket are read where the reader says so, in the order of the keys', async () => {
  const fields = { ReaderConfig: { InputType: 'JSON', Transformation: 'LOAD_AND_FLATTEN' } }
  const output = [{ item: 'p/B' }, { item: 'p/a' }, { item: 'p/b' }]
  assert.deepEqual(await checkCase(listed(fields, output)), { outcome: 'passed' })
})

const tasked = (state: JsonObject, more: Partial<Case>): Case => ({
  id: 'tasked',
  folder: 'tasks',
  kind: 'run',
  definition: {
    StartAt: 'T',
    States: {
      T: { Type: 'Task', Resource: 'arn:aws:states:::lambda:invoke', End: true, ...state },
      ...(state.Catch ? { C: { Type: 'Pass', End: true } } : {}),
    },
  },
  expected: { status: 'SUCCEEDED' },
  ...more,
})

test('a task that timed out is ended by the earlier of its limits, under the names of that one', async () => {
  const Catch = [{ ErrorEquals: ['States.HeartbeatTimeout'], Next: 'C' }]
  const taskAnswers = [{ state: 'T', outcome: 'timedOut' }]
  const caught = { status: 'SUCCEEDED', output: { Error: 'States.Timeout', Cause: '' } }
  const late = { status: 'FAILED', error: 'States.Timeout' }
  for (const [seconds, expected] of [
    [600, caught],
    [3, late],
  ] as const) {
    const state = { Catch, HeartbeatSeconds: 5, TimeoutSecondsPath: '$.seconds' }
    const oneCase = tasked(state, { input: { seconds }, taskAnswers, expected })
    assert.deepEqual(await checkCase(oneCase), { outcome: 'passed' })
  }
})

test('a task that could not be submitted is one that failed', async () => {
  const history = [
    { type: 'TaskStateEntered', id: 1, prev: 0, stateName: 'T' },
    { type: 'TaskScheduled', id: 2, prev: 1 },
    { type: 'TaskSubmitFailed', id: 3, prev: 2, error: 'E' },
    { type: 'TaskStateExited', id: 4, prev: 3, stateName: 'T' },
    { type: 'PassStateEntered', id: 5, prev: 4, stateName: 'C' },
    { type: 'PassStateExited', id: 6, prev: 5, stateName: 'C' },
  ]
  const oneCase = tasked(
    { Catch: [{ ErrorEquals: ['E'], Next: 'C' }] },
    {
      taskAnswers: [{ state: 'T', outcome: 'failed', error: 'E' }],
      expected: { status: 'SUCCEEDED', output: { Error: 'E', Cause: '' } },
      history: [{ type: 'ExecutionStarted', id: 0 }, ...history, { type: 'ExecutionSucceeded', id: 7, prev: 6 }],
    },
  )
  assert.deepEqual(await checkCase(oneCase), { outcome: 'passed' })
})

test('a task that nobody answers fails the case, unless none were recorded', async () => {
  const { outcome } = await checkCase(tasked({}, {}))
  const unrecorded = await checkCase(tasked({}, { hints: ['no-recorded-answers'] }))
  assert.deepEqual([outcome, unrecorded.outcome], ['failed', 'skipped'])
})
