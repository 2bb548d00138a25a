import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { makeFakeHost, runStates } from '../../../test/asl/fake-host.ts'
import type { Json, JsonObject } from '../../platform/json.ts'
import { AslError } from '../index.ts'

const branch = (name: string, state: JsonObject = { Type: 'Task', Resource: name }): JsonObject => ({
  StartAt: name,
  States: { [name]: { ...state, End: true } },
})
const parallel = (more: JsonObject, ...branches: JsonObject[]): Record<string, JsonObject> => ({
  P: { Type: 'Parallel', Branches: branches, End: true, ...more },
})

describe('Parallel', () => {
  test('gives the outputs in the order of the branches, whichever ends first', async () => {
    const host = makeFakeHost(async ({ resource }) => {
      if (resource === 'slow') await new Promise((resolve) => setImmediate(resolve))
      return resource
    })
    const result = await runStates(parallel({}, branch('slow'), branch('fast')), {}, { host })
    assert.deepEqual(result, { status: 'SUCCEEDED', output: ['slow', 'fast'] })
    assert.deepEqual(
      host.requests.map(({ key }) => key),
      ['P[0]/slow', 'P[1]/fast'],
    )
  })

  test('gives each branch the same input', async () => {
    const result = await runStates(parallel({ Parameters: { 'x.$': '$.n' } }, branch('a'), branch('b')), { n: 1 })
    assert.deepEqual(result, { status: 'SUCCEEDED', output: [{ x: 1 }, { x: 1 }] })
  })

  test('fails with the first failure and tells the others to stop', async () => {
    const stopped: string[] = []
    const host = makeFakeHost(({ resource, signal }) => {
      if (resource === 'bad') throw new AslError('Bad', 'it is')
      return new Promise<Json>(() => signal?.addEventListener('abort', () => stopped.push(resource)))
    })
    const result = await runStates(parallel({}, branch('a'), branch('bad'), branch('b')), {}, { host })
    assert.deepEqual(result, { status: 'FAILED', error: 'Bad', cause: 'it is' })
    assert.deepEqual(stopped, ['a', 'b'])
  })

  test('stops branches within branches', async () => {
    let stopped = false
    const host = makeFakeHost(({ resource, signal }) => {
      if (resource === 'bad') throw new AslError('Bad')
      return new Promise<Json>(() =>
        signal?.addEventListener('abort', () => {
          stopped = true
        }),
      )
    })
    const inner = branch('Inner', parallel({}, branch('deep')).P)
    await runStates(parallel({}, inner, branch('bad')), {}, { host })
    assert.ok(stopped)
  })

  test('makes no transition in a branch that was stopped', async () => {
    let finish = (_: Json): void => undefined
    const host = makeFakeHost(({ resource }) => {
      if (resource === 'bad') throw new AslError('Bad')
      return new Promise<Json>((resolve) => {
        finish = resolve
      })
    })
    const late = {
      StartAt: 'late',
      States: { late: { Type: 'Task', Resource: 'late', Next: 'after' }, after: { Type: 'Succeed' } },
    }
    await runStates(parallel({}, late, branch('bad')), {}, { host })
    const before = host.transitions.length
    finish('too late')
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(host.transitions.length, before)
  })

  test('can be tried again and caught as a whole', async () => {
    let calls = 0
    const host = makeFakeHost(() => {
      if (++calls === 1) throw new AslError('Once')
      return 'ok'
    })
    const result = await runStates(parallel({ Retry: [{ ErrorEquals: ['Once'] }] }, branch('a')), {}, { host })
    assert.deepEqual(result, { status: 'SUCCEEDED', output: ['ok'] })
    assert.deepEqual(
      host.requests.map(({ key }) => key),
      ['P[0]/a', 'P#2[0]/a'],
    )
  })

  test('lets branches read outer variables and keeps theirs inside', async () => {
    const inner = branch('In', { Type: 'Pass', Assign: { own: 1 }, Parameters: { 'seen.$': '$outer' } })
    const states: Record<string, JsonObject> = {
      A: { Type: 'Pass', Assign: { outer: 'yes' }, Next: 'P' },
      P: { ...parallel({}, inner).P!, End: false, Next: 'Z' },
      Z: { Type: 'Pass', InputPath: '$own', End: true },
    }
    const host = makeFakeHost()
    const result = await runStates(states, {}, { host })
    assert.equal(result.status === 'FAILED' && result.error, 'States.Runtime', 'own is not seen outside')
    assert.ok(
      host.transitions.some(
        ({ type, output }) => type === 'ParallelStateExited' && JSON.stringify(output) === '[{"seen":"yes"}]',
      ),
    )
  })
})
