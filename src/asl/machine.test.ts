import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { makeFakeHost, runStates, START_MS } from '../../test/asl/fake-host.ts'
import type { JsonObject } from '../platform/json.ts'
import { AslError, heartbeatTimedOut } from './index.ts'

const failing = (...names: (string | undefined)[]) => {
  let calls = 0
  return makeFakeHost(() => {
    const name = names[calls++]
    if (name !== undefined) throw new AslError(name, `cause ${calls}`)
    return 'done'
  })
}
const task = (more: JsonObject): Record<string, JsonObject> => ({
  T: { Type: 'Task', Resource: 'x', End: true, ...more },
})
const waits = (host: ReturnType<typeof makeFakeHost>): number[] =>
  host.sleeps.map(({ atMs }, i) => (atMs - (i === 0 ? START_MS : host.sleeps[i - 1]!.atMs)) / 1000)

describe('Retry', () => {
  test('waits longer each time, three times by default', async () => {
    const host = failing('E', 'E', 'E', 'E')
    const result = await runStates(task({ Retry: [{ ErrorEquals: ['E'] }] }), {}, { host })
    assert.deepEqual(result, { status: 'FAILED', error: 'E', cause: 'cause 4' })
    assert.deepEqual(waits(host), [1, 2, 4])
    const told = host.transitions.filter(({ type }) => type === 'RetryScheduled')
    assert.deepEqual(
      told.map(({ retryCount, error, cause }) => [retryCount, error, cause]),
      [
        [1, 'E', 'cause 1'],
        [2, 'E', 'cause 2'],
        [3, 'E', 'cause 3'],
      ],
    )
  })

  test('follows interval, rate, longest delay and jitter', async () => {
    const retrier = { ErrorEquals: ['E'], IntervalSeconds: 4, BackoffRate: 3, MaxDelaySeconds: 20, MaxAttempts: 3 }
    const plain = failing('E', 'E', 'E')
    assert.equal((await runStates(task({ Retry: [retrier] }), {}, { host: plain })).status, 'SUCCEEDED')
    assert.deepEqual(waits(plain), [4, 12, 20])
    const jittered = failing('E', 'E', 'E')
    await runStates(task({ Retry: [{ ...retrier, JitterStrategy: 'FULL' }] }), {}, { host: jittered })
    assert.deepEqual(waits(jittered), [2, 6, 10])
  })

  test('waits no longer than the longest time there is, whatever the rate', async () => {
    const host = failing('E', 'E')
    const retrier = { ErrorEquals: ['E'], BackoffRate: Number.MAX_VALUE }
    assert.equal((await runStates(task({ Retry: [retrier] }), {}, { host })).status, 'SUCCEEDED')
    assert.deepEqual(waits(host), [1, 99_999_999])
  })

  test('counts for each retrier by itself, and only asks the first that covers the error', async () => {
    const Retry = [
      { ErrorEquals: ['A'], MaxAttempts: 1 },
      { ErrorEquals: ['States.ALL'], MaxAttempts: 1 },
    ]
    assert.equal((await runStates(task({ Retry }), {}, { host: failing('A', 'B') })).status, 'SUCCEEDED')
    const spent = await runStates(task({ Retry }), {}, { host: failing('A', 'A') })
    assert.equal(spent.status, 'FAILED', 'States.ALL does not take over for A')
  })

  test('with no attempts means never', async () => {
    const host = failing('E')
    assert.equal(
      (await runStates(task({ Retry: [{ ErrorEquals: ['E'], MaxAttempts: 0 }] }), {}, { host })).status,
      'FAILED',
    )
    assert.equal(host.requests.length, 1)
  })

  test('gives every try a key of its own and shows its number', async () => {
    const host = failing('E', 'E')
    const state = { Parameters: { 'n.$': '$$.State.RetryCount' }, Retry: [{ ErrorEquals: ['E'] }] }
    await runStates(task(state), {}, { host })
    assert.deepEqual(
      host.requests.map(({ key, input, retryCount }) => [key, input, retryCount]),
      [
        ['T', { n: 0 }, 0],
        ['T#2', { n: 1 }, 1],
        ['T#3', { n: 2 }, 2],
      ],
    )
    assert.deepEqual(
      host.sleeps.map(({ key }) => key),
      ['T:retry', 'T:retry#2'],
    )
  })
})

describe('Catch', () => {
  const caught = { Type: 'Pass', End: true }

  test('goes on with the error in place of the input, or where ResultPath says', async () => {
    const to = (more: JsonObject) => ({ ...task({ Catch: [{ ErrorEquals: ['E'], Next: 'C', ...more }] }), C: caught })
    const whole = await runStates(to({}), { in: 1 }, { host: failing('E') })
    assert.deepEqual(whole, { status: 'SUCCEEDED', output: { Error: 'E', Cause: 'cause 1' } })
    const merged = await runStates(to({ ResultPath: '$.error' }), { in: 1 }, { host: failing('E') })
    assert.deepEqual(merged, { status: 'SUCCEEDED', output: { in: 1, error: { Error: 'E', Cause: 'cause 1' } } })
  })

  test('in JSONata has Output and Assign over $states.errorOutput', async () => {
    const Catch = [
      {
        ErrorEquals: ['E'],
        Next: 'C',
        Output: '{% $states.errorOutput.Error & $states.input.in %}',
        Assign: { e: '{% $states.errorOutput %}' },
      },
    ]
    const states = {
      T: { Type: 'Task', Resource: 'x', QueryLanguage: 'JSONata', Catch, End: true },
      C: { Type: 'Pass', QueryLanguage: 'JSONata', Output: '{% [$states.input, $e.Cause] %}', End: true },
    }
    const result = await runStates(states, { in: 1 }, { host: failing('E') })
    assert.deepEqual(result.status === 'SUCCEEDED' && result.output, ['E1', 'cause 1'])
  })

  test('asks in order, after the retries are used up', async () => {
    const states = {
      ...task({
        Retry: [{ ErrorEquals: ['E'], MaxAttempts: 1 }],
        Catch: [
          { ErrorEquals: ['Other'], Next: 'C' },
          { ErrorEquals: ['States.TaskFailed'], Next: 'D' },
          { ErrorEquals: ['States.ALL'], Next: 'C' },
        ],
      }),
      C: { Type: 'Fail', Error: 'wrong' },
      D: caught,
    }
    const host = failing('E', 'E')
    assert.equal((await runStates(states, {}, { host })).status, 'SUCCEEDED')
    assert.equal(host.requests.length, 2)
  })

  test('shows an empty cause for an error without one, and nulls for one without anything', async () => {
    const host = (error: AslError) => makeFakeHost(() => Promise.reject(error))
    const states = { ...task({ Catch: [{ ErrorEquals: ['States.ALL'], Next: 'C' }] }), C: caught }
    const timedOut = await runStates(states, {}, { host: host(new AslError('States.Timeout')) })
    assert.deepEqual(timedOut, { status: 'SUCCEEDED', output: { Error: 'States.Timeout', Cause: '' } })
    const bare = await runStates(states, {}, { host: host(new AslError(undefined)) })
    assert.deepEqual(bare, { status: 'SUCCEEDED', output: { Error: null, Cause: null } })
  })

  test('a heartbeat that stayed away is a time-out that also answers to its own name', async () => {
    for (const name of ['States.HeartbeatTimeout', 'States.Timeout', 'States.ALL', 'States.TaskFailed']) {
      const states = { ...task({ Catch: [{ ErrorEquals: [name], Next: 'C' }] }), C: caught }
      const host = makeFakeHost(() => Promise.reject(heartbeatTimedOut()))
      const result = await runStates(states, {}, { host })
      if (name === 'States.TaskFailed') assert.deepEqual(result, { status: 'FAILED', error: 'States.Timeout' })
      else assert.deepEqual(result, { status: 'SUCCEEDED', output: { Error: 'States.Timeout', Cause: '' } })
      assert.ok(host.transitions.some(({ type, error }) => type === 'TaskTimedOut' && error === 'States.Timeout'))
    }
  })
})

describe('which name covers which error', () => {
  const covers = async (name: string, error: string): Promise<boolean> => {
    const states = { ...task({ Catch: [{ ErrorEquals: [name], Next: 'C' }] }), C: { Type: 'Succeed' } }
    return (await runStates(states, {}, { host: failing(error) })).status === 'SUCCEEDED'
  }
  const table: [name: string, error: string, expected: boolean][] = [
    ['E', 'E', true],
    ['E', 'e', false],
    ['States.ALL', 'E', true],
    ['States.ALL', 'States.Timeout', true],
    ['States.ALL', 'States.DataLimitExceeded', true],
    ['States.ALL', 'States.Runtime', false],
    ['States.Runtime', 'States.Runtime', false],
    ['States.TaskFailed', 'E', true],
    ['States.TaskFailed', 'States.Timeout', false],
    ['States.TaskFailed', 'States.HeartbeatTimeout', false],
    ['States.Timeout', 'States.HeartbeatTimeout', true],
    ['States.HeartbeatTimeout', 'States.HeartbeatTimeout', true],
    ['States.HeartbeatTimeout', 'States.Timeout', false],
  ]
  for (const [name, error, expected] of table) {
    test(`${name} ${expected ? 'covers' : 'does not cover'} ${error}`, async () =>
      assert.equal(await covers(name, error), expected))
  }

  test('an error of an expression can be caught', async () => {
    const Catch = [{ ErrorEquals: ['States.QueryEvaluationError'], Next: 'C' }]
    const states = {
      T: { Type: 'Task', Resource: 'x', QueryLanguage: 'JSONata', Arguments: '{% $nope %}', Catch, End: true },
      C: { Type: 'Succeed' },
    }
    const host = makeFakeHost()
    assert.equal((await runStates(states, {}, { host })).status, 'SUCCEEDED')
    assert.equal(host.requests.length, 0)
    assert.ok(host.transitions.some(({ type, field }) => type === 'EvaluationFailed' && field === 'Arguments'))
  })
})
