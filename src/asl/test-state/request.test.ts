import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JsonObject } from '../../platform/json.ts'
import { testState } from '../index.ts'
import type { StateMock, StateTestResult } from './request.ts'

const task: JsonObject = { Type: 'Task', Resource: 'skill:a/b', End: true }
const map: JsonObject = {
  Type: 'Map',
  ItemProcessor: { StartAt: 'P', States: { P: { Type: 'Pass', End: true } } },
  End: true,
}
const tryWith = (definition: JsonObject, mock: StateMock, context?: JsonObject): Promise<StateTestResult> =>
  testState({ definition, input: [1], mock, ...(context ? { context } : {}) })

test('testState() takes null for a mocked result', async () => {
  assert.deepEqual(await tryWith(task, { result: null }), { status: 'SUCCEEDED', output: null })
})

test('testState() refuses a mock that mocks nothing', async () => {
  for (const definition of [task, map]) {
    for (const mock of [{}, { fieldValidationMode: 'NONE' }]) {
      const { status, error } = await tryWith(definition, mock)
      assert.deepEqual({ status, error }, { status: 'REJECTED', error: 'ValidationException' })
    }
  }
})

test('testState() refuses an unknown validation mode of a mock', async () => {
  assert.equal((await tryWith(task, { result: 1, fieldValidationMode: 'SOME' })).status, 'REJECTED')
  for (const fieldValidationMode of ['STRICT', 'PRESENT', 'NONE']) {
    assert.equal((await tryWith(task, { result: 1, fieldValidationMode })).status, 'SUCCEEDED')
  }
})

test('testState() refuses a context object whose fields are no objects', async () => {
  const contexts: JsonObject[] = [{ Execution: 'x' }, { State: null }, { Map: [] }]
  for (const context of contexts) {
    const { status, error } = await tryWith(task, { result: 1 }, context)
    assert.deepEqual({ status, error }, { status: 'REJECTED', error: 'ValidationException' })
  }
})
