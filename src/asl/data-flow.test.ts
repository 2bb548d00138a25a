import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { makeFakeHost, outputOf, runStates } from '../../test/asl/fake-host.ts'
import type { Json, JsonObject } from '../platform/json.ts'
import { AslError } from './index.ts'

const input = { a: { b: 1 }, list: [1, 2] }
const task = { Type: 'Task', Resource: 'x' }
const answering = (output: Json) => ({ host: makeFakeHost(() => output) })

describe('the path fields of JSONPath states', () => {
  test('InputPath selects, and null gives an empty object', async () => {
    assert.deepEqual(await outputOf({ Type: 'Pass', InputPath: '$.a' }, input), { b: 1 })
    assert.deepEqual(await outputOf({ Type: 'Pass', InputPath: null }, input), {})
  })

  test('Parameters work on what InputPath selected', async () => {
    const host = makeFakeHost()
    await outputOf({ ...task, InputPath: '$.a', Parameters: { 'x.$': '$.b', y: 2 } }, input, { host })
    assert.deepEqual(host.requests[0]?.input, { x: 1, y: 2 })
  })

  test('ResultSelector works on the result, ResultPath on the whole input', async () => {
    const state = { ...task, InputPath: '$.a', ResultSelector: { 'r.$': '$.deep' }, ResultPath: '$.a.result' }
    assert.deepEqual(await outputOf(state, input, answering({ deep: 9 })), {
      a: { b: 1, result: { r: 9 } },
      list: [1, 2],
    })
  })

  test('ResultPath null drops the result', async () => {
    assert.deepEqual(await outputOf({ ...task, ResultPath: null }, input, answering('x')), input)
  })

  test('OutputPath comes last, and null gives an empty object', async () => {
    assert.deepEqual(await outputOf({ ...task, ResultPath: '$.r', OutputPath: '$.r.x' }, input, answering({ x: 5 })), 5)
    assert.deepEqual(await outputOf({ ...task, OutputPath: null }, input), {})
  })

  test('a Pass with a Result does not look at its input', async () => {
    assert.deepEqual(await outputOf({ Type: 'Pass', InputPath: '$.nope', Result: [1] }, input), [1])
    assert.deepEqual(await outputOf({ Type: 'Pass', Result: null }, input), null)
  })
})

describe('the fields of JSONata states', () => {
  const jsonata = { QueryLanguage: 'JSONata' }

  test('Arguments make the payload, Output the output', async () => {
    const host = makeFakeHost(() => ({ n: 2 }))
    const state = {
      ...jsonata,
      ...task,
      Arguments: { x: '{% $states.input.a.b %}' },
      Output: '{% $states.result.n + $states.input.a.b %}',
    }
    assert.equal(await outputOf(state, input, { host }), 3)
    assert.deepEqual(host.requests[0]?.input, { x: 1 })
  })

  test('without Output the result is the output, or the input where there is no result', async () => {
    assert.equal(await outputOf({ ...jsonata, ...task }, input, answering('r')), 'r')
    assert.deepEqual(await outputOf({ ...jsonata, Type: 'Pass' }, input), input)
    await assert.rejects(
      outputOf({ ...jsonata, Type: 'Pass', Output: '{% $lookup($states, "result") %}' }, input),
      /nothing/,
    )
  })
})

describe('variables', () => {
  test('take the values that were there when the state was entered', async () => {
    const states: Record<string, JsonObject> = {
      A: { Type: 'Pass', Assign: { x: 1, y: 2 }, Next: 'B' },
      B: { Type: 'Pass', Assign: { 'x.$': '$y', 'y.$': '$x' }, OutputPath: '$x', Next: 'C' },
      C: { Type: 'Pass', Parameters: { 'before.$': '$', 'x.$': '$x', 'y.$': '$y' }, End: true },
    }
    const result = await runStates(states)
    assert.deepEqual(result.status === 'SUCCEEDED' && result.output, { before: 1, x: 2, y: 1 })
  })

  test('in JSONPath are made of the result itself, whatever is selected for the output', async () => {
    const states: Record<string, JsonObject> = {
      A: { ...task, ResultSelector: { 'n.$': '$.deep' }, ResultPath: '$.r', Assign: { 'n.$': '$.deep' }, Next: 'B' },
      B: { Type: 'Pass', InputPath: '$n', End: true },
    }
    const result = await runStates(states, {}, answering({ deep: 4 }))
    assert.equal(result.status === 'SUCCEEDED' && result.output, 4)
  })

  test('pass between the two languages', async () => {
    const states: Record<string, JsonObject> = {
      A: { Type: 'Pass', QueryLanguage: 'JSONata', Assign: { v: { list: '{% [1, 2] %}' } }, Next: 'B' },
      B: { Type: 'Pass', Assign: { 'w.$': '$v.list[1]' }, Next: 'C' },
      C: { Type: 'Pass', QueryLanguage: 'JSONata', Output: '{% $v.list[0] + $w %}', End: true },
    }
    const result = await runStates(states)
    assert.equal(result.status === 'SUCCEEDED' && result.output, 3)
  })

  test('that were never assigned end the run in JSONPath and are nothing in JSONata', async () => {
    await assert.rejects(outputOf({ Type: 'Pass', InputPath: '$nope' }), { error: 'States.Runtime' })
    await assert.rejects(outputOf({ Type: 'Pass', QueryLanguage: 'JSONata', Output: '{% $nope %}' }), {
      error: 'States.QueryEvaluationError',
    })
  })
})

test('an expression that failed is told with its place in the state', async () => {
  const jsonata = { QueryLanguage: 'JSONata' }
  const nope = { a: ['{% $nope %}'] }
  const choice = (rule: JsonObject, more: JsonObject = {}) => ({
    ...jsonata,
    ...{ Type: 'Choice', Choices: [{ Condition: '{% true %}', Next: 'Z', ...rule }], Default: 'Z', ...more },
  })
  const caught = (more: JsonObject) => ({
    ...{ ...task, ...jsonata, End: true },
    Catch: [
      { ErrorEquals: ['Other'], Next: 'Z' },
      { ErrorEquals: ['E'], Next: 'Z', ...more },
    ],
  })
  const places: [state: JsonObject, field: string][] = [
    [{ Type: 'Pass', ...jsonata, Output: nope, Next: 'Z' }, 'Output/a[0]'],
    [{ Type: 'Pass', ...jsonata, Assign: nope, Next: 'Z' }, 'Assign/a[0]'],
    [choice({ Output: nope }), 'Choices[0]/Output/a[0]'],
    [choice({ Assign: nope }), 'Choices[0]/Assign/a[0]'],
    [choice({ Condition: '{% false %}' }, { Assign: nope }), 'Assign/a[0]'],
    [caught({ Output: nope }), 'Catch[1]/Output/a[0]'],
    [caught({ Assign: nope }), 'Catch[1]/Assign/a[0]'],
  ]
  for (const [state, field] of places) {
    const host = makeFakeHost(() => Promise.reject(new AslError('E')))
    assert.equal((await runStates({ S: state, Z: { Type: 'Succeed' } }, {}, { host })).status, 'FAILED')
    assert.equal(host.transitions.find(({ type }) => type === 'EvaluationFailed')?.field, field)
  }
})
