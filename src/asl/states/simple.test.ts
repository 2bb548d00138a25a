import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { makeFakeHost, outputOf, runStates, START_MS } from '../../../test/asl/fake-host.ts'
import type { JsonObject } from '../../platform/json.ts'

describe('Fail', () => {
  test('takes error and cause literally, by a path, by a function or from an expression', async () => {
    const fail = (more: object) => runStates({ F: { Type: 'Fail', ...more } }, { e: 'Named', n: 7 })
    assert.deepEqual(await fail({ Error: 'A', Cause: 'B' }), { status: 'FAILED', error: 'A', cause: 'B' })
    assert.deepEqual(await fail({ ErrorPath: '$.e', CausePath: "States.Format('n={}', $.n)" }), {
      status: 'FAILED',
      error: 'Named',
      cause: 'n=7',
    })
    const computed = { QueryLanguage: 'JSONata', Error: '{% $states.input.e %}', Cause: '{% "n=" & $states.input.n %}' }
    assert.deepEqual(await fail(computed), { status: 'FAILED', error: 'Named', cause: 'n=7' })
  })

  test('ends with States.Runtime or States.QueryEvaluationError when these are no texts', async () => {
    await assert.rejects(outputOf({ Type: 'Fail', ErrorPath: '$.n' }, { n: 1 }), { error: 'States.Runtime' })
    const missing = outputOf({ Type: 'Fail', Error: 'E', CausePath: '$.nope' }, { n: 1 })
    await assert.rejects(
      missing,
      /The JSONPath '\$\.nope' specified for the field 'CausePath' could not be found in the input/,
    )
    await assert.rejects(outputOf({ Type: 'Fail', QueryLanguage: 'JSONata', Error: '{% 1 %}' }), {
      error: 'States.QueryEvaluationError',
    })
  })
})

describe('Succeed', () => {
  test('may still select its output', async () => {
    assert.equal(await outputOf({ Type: 'Succeed', InputPath: '$.a', OutputPath: '$.b' }, { a: { b: 2 } }), 2)
    assert.equal(
      await outputOf({ Type: 'Succeed', QueryLanguage: 'JSONata', Output: '{% $states.input.a %}' }, { a: 3 }),
      3,
    )
  })
})

describe('Choice', () => {
  const go = { Type: 'Pass', Parameters: { 'in.$': '$', 'v.$': '$v' }, End: true }

  test('takes the first rule that matches, with its own variables', async () => {
    const rule = (n: number, Next: string) => ({ Variable: '$.n', NumericEquals: n, Next, Assign: { v: `rule ${n}` } })
    const states = {
      C: { Type: 'Choice', Choices: [rule(1, 'D'), rule(2, 'D')], Default: 'D', Assign: { 'v.$': '$.n' } },
      D: go,
    }
    const run = async (n: number) => (await runStates(states, { n })) as { output?: unknown }
    assert.deepEqual((await run(2)).output, { in: { n: 2 }, v: 'rule 2' })
    assert.deepEqual((await run(9)).output, { in: { n: 9 }, v: 9 }, 'Assign of the state belongs to the default')
  })

  test('in JSONata has an output for each rule and one for the default', async () => {
    const Choices: JsonObject[] = [
      { Condition: '{% $states.input.n = 1 %}', Next: 'D', Output: 'one' },
      { Condition: '{% $states.input.n = 2 %}', Next: 'D' },
    ]
    const states = {
      C: { Type: 'Choice', QueryLanguage: 'JSONata', Choices, Default: 'D', Output: 'other' },
      D: { Type: 'Succeed' },
    }
    const run = async (n: number) => ((await runStates(states, { n })) as { output?: unknown }).output
    assert.deepEqual([await run(1), await run(2), await run(3)], ['one', { n: 2 }, 'other'])
  })

  test('fails when nothing matches, or when a condition is no boolean', async () => {
    const choice = { Type: 'Choice', Choices: [{ Variable: '$.n', NumericEquals: 1, Next: 'D' }] }
    const none = await runStates({ C: choice, D: { Type: 'Succeed' } }, { n: 2 })
    assert.equal(none.status === 'FAILED' && none.error, 'States.Runtime')
    const odd = { Type: 'Choice', QueryLanguage: 'JSONata', Choices: [{ Condition: '{% 1 %}', Next: 'D' }] }
    const wrong = await runStates({ C: odd, D: { Type: 'Succeed' } })
    assert.match(JSON.stringify(wrong), /Expected 'boolean', but was 'number'/)
  })
})

describe('Wait', () => {
  const sleepOf = async (more: object, input: object = {}): Promise<number | undefined> => {
    const host = makeFakeHost()
    await outputOf({ Type: 'Wait', ...more }, input as never, { host })
    return host.sleeps[0] && (host.sleeps[0].atMs - START_MS) / 1000
  }

  test('takes seconds or a time, literally, by a path or from an expression', async () => {
    assert.equal(await sleepOf({ Seconds: 10 }), 10)
    assert.equal(await sleepOf({ SecondsPath: '$.s' }, { s: 3 }), 3)
    assert.equal(await sleepOf({ Timestamp: '2026-01-01T01:00:00Z' }), 3_600)
    assert.equal(await sleepOf({ TimestampPath: '$.t' }, { t: '2026-01-01T00:00:01.5Z' }), 1.5)
    assert.equal(await sleepOf({ QueryLanguage: 'JSONata', Seconds: '{% $states.input.s * 2 %}' }, { s: 3 }), 6)
    assert.equal(
      await sleepOf({ QueryLanguage: 'JSONata', Timestamp: '{% $states.input.t %}' }, { t: '2026-01-01T00:00:09Z' }),
      9,
    )
  })

  test('does not trouble the host for a time that has passed', async () => {
    assert.equal(await sleepOf({ Seconds: 0 }), undefined)
    assert.equal(await sleepOf({ Timestamp: '2020-01-01T00:00:00Z' }), undefined)
  })

  test('refuses other values', async () => {
    for (const s of [-1, 1.5, '1', null, 100_000_000]) {
      await assert.rejects(sleepOf({ SecondsPath: '$.s' }, { s }), { error: 'States.Runtime' }, String(s))
    }
    await assert.rejects(sleepOf({ TimestampPath: '$.t' }, { t: '2026-01-01' }), { error: 'States.Runtime' })
    for (const Seconds of ['{% -1 %}', '{% 1.5 %}', '{% "1" %}']) {
      await assert.rejects(
        sleepOf({ QueryLanguage: 'JSONata', Seconds }),
        { error: 'States.QueryEvaluationError' },
        Seconds,
      )
    }
    await assert.rejects(sleepOf({ QueryLanguage: 'JSONata', Timestamp: '{% "soon" %}' }), {
      error: 'States.QueryEvaluationError',
    })
  })
})
