import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { makeFakeHost, outputOf, runStates } from '../../../test/asl/fake-host.ts'
import type { JsonObject } from '../../platform/json.ts'
import { EngineError, type TaskRequest } from '../index.ts'

const requestOf = async (state: JsonObject, input: JsonObject = {}): Promise<TaskRequest> => {
  const host = makeFakeHost()
  await outputOf({ Type: 'Task', Resource: 'agent:clerk', ...state }, input, { host })
  return host.requests[0]!
}

describe('Task', () => {
  test('hands resource and input to the host as they are', async () => {
    const { signal, ...request } = await requestOf({}, { n: 1 })
    assert.deepEqual(request, { key: 'Only', state: 'Only', resource: 'agent:clerk', input: { n: 1 }, retryCount: 0 })
    assert.ok(signal)
  })

  test('tells time limits in milliseconds, from numbers, paths and expressions', async () => {
    const literal = await requestOf({ TimeoutSeconds: 10, HeartbeatSeconds: 3 })
    assert.deepEqual([literal.timeoutMs, literal.heartbeatMs], [10_000, 3_000])
    const byPath = await requestOf({ TimeoutSecondsPath: '$.t', HeartbeatSecondsPath: '$.h' }, { t: 5, h: 2 })
    assert.deepEqual([byPath.timeoutMs, byPath.heartbeatMs], [5_000, 2_000])
    const computed = await requestOf(
      { QueryLanguage: 'JSONata', TimeoutSeconds: '{% $states.input.t * 2 %}' },
      { t: 5 },
    )
    assert.equal(computed.timeoutMs, 10_000)
  })

  test('refuses time limits that are no positive whole numbers', async () => {
    for (const t of [0, -1, 1.5, '5', null])
      await assert.rejects(requestOf({ TimeoutSecondsPath: '$.t' }, { t }), { error: 'States.Runtime' })
    await assert.rejects(requestOf({ QueryLanguage: 'JSONata', TimeoutSeconds: '{% 0 %}' }), {
      error: 'States.QueryEvaluationError',
    })
  })

  test('makes a token for a callback, which the input may show', async () => {
    const state = { Resource: 'skill:mail/ask.waitForTaskToken', Parameters: { 'token.$': '$$.Task.Token' } }
    const request = await requestOf(state)
    assert.equal(request.waitForToken, true)
    assert.equal(request.taskToken, 'uuid-1')
    assert.deepEqual(request.input, { token: 'uuid-1' })
  })

  test('asks the host for the token where it has its own', async () => {
    const host = { ...makeFakeHost(), taskToken: (key: string) => `token of ${key}` }
    await outputOf({ Type: 'Task', Resource: 'x.waitForTaskToken' }, {}, { host })
    assert.equal(host.requests[0]?.taskToken, 'token of Only')
  })

  test('passes credentials', async () => {
    const request = await requestOf({ Credentials: { 'RoleArn.$': '$.role' } }, { role: 'r' })
    assert.deepEqual(request.credentials, { RoleArn: 'r' })
  })

  test('takes anything else than an AslError for States.TaskFailed', async () => {
    const host = makeFakeHost(() => {
      throw new Error('socket closed')
    })
    await assert.rejects(outputOf({ Type: 'Task', Resource: 'x' }, {}, { host }), {
      error: 'States.TaskFailed',
      cause: 'socket closed',
    })
  })

  test('was not scheduled when the host refuses it at once', async () => {
    const host = makeFakeHost()
    host.task = () => {
      throw new EngineError('States.Runtime', 'There is no agent clerk.')
    }
    const result = await runStates({ T: { Type: 'Task', Resource: 'agent:clerk', End: true } }, {}, { host })
    assert.match(JSON.stringify(result), /while executing the state 'T'.*There is no agent clerk/)
    assert.ok(!host.transitions.some(({ type }) => type === 'TaskScheduled'))
  })

  test('fails when the result is too large', async () => {
    const host = makeFakeHost(() => 'x'.repeat(300_000))
    await assert.rejects(outputOf({ Type: 'Task', Resource: 'x', ResultPath: null }, {}, { host }), {
      error: 'States.DataLimitExceeded',
    })
  })

  test('keys of states with odd names do not meet', async () => {
    const keys = async (name: string) => {
      const host = makeFakeHost()
      await runStates({ [name]: { Type: 'Task', Resource: 'x', End: true } }, {}, { host })
      return host.requests[0]!.key
    }
    assert.deepEqual(
      [await keys('A#2'), await keys('A:retry'), await keys('A[0]/B')],
      ['A%232', 'A%3aretry', 'A%5b0%5d%2fB'],
    )
  })
})
