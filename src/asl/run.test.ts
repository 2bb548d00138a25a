import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { makeFakeHost, runStates, START_MS } from '../../test/asl/fake-host.ts'
import type { JsonObject } from '../platform/json.ts'
import { AslError, compile, InvalidDefinition, run } from './index.ts'

const loop: Record<string, JsonObject> = {
  Again: { Type: 'Choice', Choices: [{ Variable: '$.n', NumericLessThan: 5_000, Next: 'Count' }], Default: 'Done' },
  Count: { Type: 'Pass', Parameters: { 'n.$': 'States.MathAdd($.n, 1)' }, Next: 'Again' },
  Done: { Type: 'Succeed' },
}

describe('run()', () => {
  test('gives the output of the last state', async () => {
    const states = { A: { Type: 'Pass', Result: { x: 1 }, Next: 'B' }, B: { Type: 'Succeed', OutputPath: '$.x' } }
    assert.deepEqual(await runStates(states), { status: 'SUCCEEDED', output: 1 })
  })

  test('gives name and cause of an error that nobody caught', async () => {
    const failed = { status: 'FAILED', error: 'Broken', cause: 'by hand' }
    assert.deepEqual(await runStates({ A: { Type: 'Fail', Error: 'Broken', Cause: 'by hand' } }), failed)
    assert.deepEqual(await runStates({ A: { Type: 'Fail' } }), { status: 'FAILED' })
  })

  test('tells which state an error of the language came from', async () => {
    const result = await runStates({
      A: { Type: 'Pass', Next: 'B' },
      B: { Type: 'Pass', InputPath: '$.nope', End: true },
    })
    assert.equal(result.status, 'FAILED')
    assert.match(JSON.stringify(result), /while executing the state 'B' \(entered at the event id #4\)/)
  })

  test('bounds what all variables of a branch take together, those of the scopes around it included', async () => {
    const inner = { StartAt: 'C', States: { C: { Type: 'Pass', Assign: { c: 'x'.repeat(50) }, End: true } } }
    const states: Record<string, JsonObject> = {
      A: { Type: 'Pass', Assign: { a: 'x'.repeat(50) }, Next: 'B' },
      B: { Type: 'Parallel', Branches: [inner], End: true },
    }
    // Twice 52 bytes, and what JSON puts around the two.
    assert.equal((await runStates(states, {}, { limits: { variablesBytes: 107 } })).status, 'SUCCEEDED')
    const result = await runStates(states, {}, { limits: { variablesBytes: 106 } })
    assert.deepEqual([result.status, 'error' in result && result.error], ['FAILED', 'States.DataLimitExceeded'])
  })

  test('ends as TIMED_OUT when the whole takes too long', async () => {
    const host = makeFakeHost(() => new Promise(() => undefined))
    const task = { A: { Type: 'Task', Resource: 'x', End: true } }
    const result = await runStates(task, {}, { host, top: { TimeoutSeconds: 60 } })
    assert.deepEqual(result, { status: 'TIMED_OUT', error: 'States.Timeout' })
    assert.deepEqual(host.sleeps, [{ key: ':timeout', atMs: START_MS + 60_000 }])
    assert.equal(host.requests[0]?.signal?.aborted, true, 'the task is told')
  })

  test('ends as ABORTED when its signal is', async () => {
    const stop = new AbortController()
    const host = makeFakeHost(() => new Promise(() => undefined))
    const work = runStates({ A: { Type: 'Task', Resource: 'x', End: true } }, {}, { host, signal: stop.signal })
    stop.abort()
    assert.deepEqual(await work, { status: 'ABORTED' })
    assert.equal(host.requests[0]?.signal?.aborted, true)
  })

  test('stops a run that never ends', async () => {
    const states = { A: { Type: 'Pass', Next: 'B' }, B: { Type: 'Pass', Next: 'A' }, End: { Type: 'Succeed' } }
    const endless = {
      ...states,
      B: { Type: 'Choice', Choices: [{ Variable: '$.x', IsPresent: true, Next: 'End' }], Default: 'A' },
    }
    const result = await runStates(endless, {}, { limits: { transitions: 1_000 } })
    assert.deepEqual(result, {
      status: 'FAILED',
      error: 'States.Runtime',
      cause: 'The run made more than 1000 transitions.',
    })
  })

  test('lets other work go first once in a while', async () => {
    let pauses = 0
    const host = { ...makeFakeHost(), pause: async () => void pauses++ }
    assert.equal((await runStates(loop, { n: 0 }, { host })).status, 'SUCCEEDED')
    assert.equal(pauses, 10)
  })

  test('does not grow with the number of transitions', async () => {
    const program = compile({ StartAt: 'Again', States: loop })
    const host = { ...makeFakeHost(), onTransition: () => undefined }
    const timeOf = async (from: number): Promise<number> => {
      const startMs = performance.now()
      await run(program, { input: { n: from }, host })
      return performance.now() - startMs
    }
    await timeOf(0)
    const short = Math.min(await timeOf(4_000), await timeOf(4_000), await timeOf(4_000))
    const long = Math.min(await timeOf(0), await timeOf(0), await timeOf(0))
    assert.ok(long < short * 5 * 6, `1,000 rounds took ${short} ms, 5,000 took ${long} ms`)
  })

  test('fails with States.DataLimitExceeded when a value grows too large', async () => {
    const grow = {
      A: { Type: 'Pass', Parameters: { 'x.$': 'States.Array($, $)' }, Next: 'B' },
      B: { Type: 'Choice', Choices: [{ Variable: '$.never', IsPresent: true, Next: 'C' }], Default: 'A' },
      C: { Type: 'Succeed' },
    }
    const result = await runStates(grow, { text: 'x'.repeat(100) })
    assert.equal(result.status === 'FAILED' && result.error, 'States.DataLimitExceeded')
    assert.match(
      (result.status === 'FAILED' && result.cause) || '',
      /^The state\/task 'A' returned a result with a size/,
    )
  })

  test('counts bytes, not characters', async () => {
    const state = { A: { Type: 'Pass', Result: 'ü'.repeat(200), End: true } }
    assert.equal((await runStates(state, {}, { limits: { payloadBytes: 402 } })).status, 'SUCCEEDED')
    assert.equal((await runStates(state, {}, { limits: { payloadBytes: 401 } })).status, 'FAILED')
  })

  test('tells the host of every transition in order', async () => {
    const host = makeFakeHost()
    await runStates({ A: { Type: 'Task', Resource: 'x', Next: 'B', Assign: { v: 1 } }, B: { Type: 'Succeed' } }, 7, {
      host,
    })
    assert.deepEqual(
      host.transitions.map(({ type, state }) => (state === undefined ? type : `${type} ${state}`)),
      [
        ...['ExecutionStarted', 'TaskStateEntered A', 'TaskScheduled A', 'TaskSucceeded A', 'TaskStateExited A'],
        ...['SucceedStateEntered B', 'SucceedStateExited B', 'ExecutionSucceeded'],
      ],
    )
    assert.deepEqual(host.transitions[4]?.assigned, { v: 1 })
  })

  test('shows what it was given in the context object', async () => {
    const states = { A: { Type: 'Pass', Parameters: { 'all.$': '$$' }, End: true } }
    const context = { Execution: { Id: 'run-1' }, StateMachine: { Name: 'refund' } }
    const result = await runStates(states, { n: 1 }, { context })
    assert.deepEqual(result.status === 'SUCCEEDED' && result.output, {
      all: {
        Execution: { Id: 'run-1', Input: { n: 1 } },
        StateMachine: { Name: 'refund' },
        State: { Name: 'A', EnteredTime: '2026-01-01T00:00:00.000Z' },
      },
    })
  })
})

describe('compile()', () => {
  test('refuses a definition with what is wrong with it', () => {
    assert.throws(
      () => compile({ StartAt: 'A', States: { A: { Type: 'Pass', Next: 'B' } } }),
      (error: InvalidDefinition) =>
        error instanceof InvalidDefinition && error.findings[0]?.code === 'MISSING_TRANSITION_TARGET',
    )
  })

  test('gives warnings along', () => {
    const program = compile({ StartAt: 'A', States: { A: { Type: 'Pass', InputPath: '$nobody', End: true } } })
    assert.equal(program.warnings[0]?.code, 'UNASSIGNED_VARIABLE')
  })

  test('makes a program that many runs may use at once', async () => {
    const program = compile({
      StartAt: 'A',
      States: {
        A: { Type: 'Task', Resource: 'x', Assign: { 'v.$': '$' }, Next: 'B' },
        B: { Type: 'Pass', InputPath: '$v', End: true },
      },
    })
    const results = await Promise.all([1, 2, 3].map((input) => run(program, { input, host: makeFakeHost() })))
    assert.deepEqual(
      results.map((result) => result.status === 'SUCCEEDED' && result.output),
      [1, 2, 3],
    )
  })
})

test('AslError keeps name and cause apart', () => {
  const error = new AslError('Name', 'why')
  assert.deepEqual([error.error, error.causeText, error.message], ['Name', 'why', 'why'])
})
