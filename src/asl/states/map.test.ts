import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { makeFakeHost, outputOf, runStates } from '../../../test/asl/fake-host.ts'
import type { Json, JsonObject } from '../../platform/json.ts'
import { AslError } from '../index.ts'

const processor = (state: JsonObject): JsonObject => ({ StartAt: 'I', States: { I: { ...state, End: true } } })
const each = (state: JsonObject, more: JsonObject = {}): JsonObject => ({
  Type: 'Map',
  ItemProcessor: processor(state),
  ...more,
})
const task = { Type: 'Task', Resource: 'x' }
const pass = { Type: 'Pass' }

describe('Map', () => {
  test('gives the outputs in the order of the items', async () => {
    const host = makeFakeHost(async ({ input }) => {
      if (input === 1) await new Promise((resolve) => setImmediate(resolve))
      return [input]
    })
    assert.deepEqual(await outputOf(each(task), [1, 2, 3], { host }), [[1], [2], [3]])
    assert.deepEqual(
      host.requests.map(({ key }) => key),
      ['Only[0]/I', 'Only[1]/I', 'Only[2]/I'],
    )
  })

  test('takes items by a path, from a variable or from an expression', async () => {
    assert.deepEqual(await outputOf(each(pass, { ItemsPath: '$.list' }), { list: [1] }), [1])
    assert.deepEqual(await outputOf({ ...each(pass), QueryLanguage: 'JSONata', Items: [1, '{% 1 + 1 %}'] }), [1, 2])
    assert.deepEqual(await outputOf({ ...each(pass), QueryLanguage: 'JSONata' }, [3]), [3])
    assert.deepEqual(await outputOf(each(pass), []), [])
  })

  test('refuses items that are no array', async () => {
    await assert.rejects(outputOf(each(pass), {}), { error: 'States.Runtime' })
    await assert.rejects(outputOf({ ...each(pass), QueryLanguage: 'JSONata', Items: '{% {} %}' }), {
      error: 'States.QueryEvaluationError',
    })
  })

  test('builds inputs by ItemSelector, which sees the item and the state', async () => {
    const ItemSelector = { 'i.$': '$$.Map.Item.Index', 'v.$': '$$.Map.Item.Value', 'all.$': '$.x' }
    const input = { x: 9, list: ['a', 'b'] }
    assert.deepEqual(await outputOf(each(pass, { ItemsPath: '$.list', ItemSelector }), input), [
      { i: 0, v: 'a', all: 9 },
      { i: 1, v: 'b', all: 9 },
    ])
    const jsonata = {
      i: '{% $states.context.Map.Item.Index %}',
      v: '{% $states.context.Map.Item.Value %}',
      all: '{% $states.input.x %}',
    }
    const state = { ...each(pass), QueryLanguage: 'JSONata', Items: '{% $states.input.list %}', ItemSelector: jsonata }
    assert.deepEqual(await outputOf(state, input), [
      { i: 0, v: 'a', all: 9 },
      { i: 1, v: 'b', all: 9 },
    ])
  })

  test('shows the item inside the iteration too, the inner one within two Maps', async () => {
    const item = { Type: 'Pass', Parameters: { 'v.$': '$$.Map.Item.Value' }, End: true }
    const inner = { Type: 'Map', ItemProcessor: { StartAt: 'Inner', States: { Inner: item } } }
    assert.deepEqual(await outputOf(each(inner), [[1], [2, 3]]), [[{ v: 1 }], [{ v: 2 }, { v: 3 }]])
  })

  test('blames the query, which can be caught, where an expression gives a number out of range', async () => {
    const byPath = each(pass, { MaxConcurrencyPath: '$.most', ItemsPath: '$.list' })
    await assert.rejects(outputOf(byPath, { most: -1, list: [1] }), { error: 'States.Runtime' })
    const computed = { ...each(pass), QueryLanguage: 'JSONata', MaxConcurrency: '{% -1 %}' }
    const host = makeFakeHost()
    await assert.rejects(outputOf(computed, [1], { host }), { error: 'States.QueryEvaluationError' })
    assert.equal(host.transitions.find(({ type }) => type === 'EvaluationFailed')?.field, 'MaxConcurrency')
  })

  test('runs no more at once than MaxConcurrency', async () => {
    for (const [more, input, expected] of [
      [{ MaxConcurrency: 2 }, [1, 2, 3, 4, 5], 2],
      [{ MaxConcurrencyPath: '$.most', ItemsPath: '$.list' }, { most: 3, list: [1, 2, 3, 4, 5] }, 3],
      [{}, [1, 2, 3, 4, 5], 5],
    ] as [JsonObject, Json, number][]) {
      let open = 0
      let most = 0
      const host = makeFakeHost(async () => {
        most = Math.max(most, ++open)
        await new Promise((resolve) => setImmediate(resolve))
        open--
        return null
      })
      await outputOf(each(task, more), input, { host })
      assert.equal(most, expected)
    }
  })

  test('runs no more at once than the platform allows', async () => {
    let open = 0
    let most = 0
    const host = makeFakeHost(async () => {
      most = Math.max(most, ++open)
      await new Promise((resolve) => setImmediate(resolve))
      open--
      return null
    })
    await outputOf(
      each(task),
      Array.from({ length: 100 }, (_, i) => i),
      { host, limits: { inlineConcurrency: 7 } },
    )
    assert.equal(most, 7)
  })

  test('fails with the first failure and starts no further items', async () => {
    const host = makeFakeHost(({ input }) => {
      if (input === 2) throw new AslError('Bad')
      return input
    })
    await assert.rejects(outputOf(each(task, { MaxConcurrency: 1 }), [1, 2, 3], { host }), { error: 'Bad' })
    assert.equal(host.requests.length, 2)
    const types = host.transitions.map(({ type, index }) => `${type}${index ?? ''}`)
    assert.ok(
      types.includes('MapIterationFailed1') &&
        types.includes('MapStateFailed') &&
        !types.includes('MapIterationStarted2'),
    )
  })

  test('has failed once it is not tried again, whatever made it fail', async () => {
    const Retry = [{ ErrorEquals: ['States.ALL'], MaxAttempts: 1 }]
    const computed = { ...each(pass), QueryLanguage: 'JSONata', Items: '{% 1 %}' }
    const broken = each({ ...pass, InputPath: '$.nope' })
    for (const [state, expected] of [
      [each(task, { Retry }), ['MapIterationFailed', 'MapIterationFailed', 'MapStateFailed']],
      [computed, ['EvaluationFailed', 'MapStateFailed']],
      // What the run does not survive is told by the end of the run alone.
      [broken, ['MapIterationFailed']],
    ] as [JsonObject, string[]][]) {
      const host = makeFakeHost(() => {
        throw new AslError('Bad')
      })
      await assert.rejects(outputOf(state, [1], { host }))
      const failures = host.transitions.map(({ type }) => type).filter((type) => /^(Map|Eval).*Failed$/.test(type))
      assert.deepEqual(failures, expected)
    }
  })

  test('looks at MaxConcurrency before it starts and at tolerated failures after it, in either mode', async () => {
    const distributed = { ...processor(pass), ProcessorConfig: { Mode: 'DISTRIBUTED', ExecutionType: 'STANDARD' } }
    for (const ItemProcessor of [processor(pass), distributed]) {
      for (const [field, starts] of [
        ['MaxConcurrencyPath', false],
        ['ToleratedFailureCountPath', true],
        ['ToleratedFailurePercentagePath', true],
      ] as const) {
        const host = makeFakeHost()
        const state = { Type: 'Map', ItemProcessor, ItemsPath: '$.list', [field]: '$.nope' }
        await assert.rejects(outputOf(state, { list: [1] }, { host }), { error: 'States.Runtime' })
        const isStarted = host.transitions.some(({ type }) => type === 'MapStateStarted')
        assert.equal(isStarted, starts, field)
      }
    }
  })

  test('keeps variables of iterations apart', async () => {
    const states = {
      StartAt: 'Set',
      States: {
        Set: { Type: 'Pass', Assign: { 'v.$': '$' }, Next: 'Ask' },
        Ask: { ...task, Next: 'Get' },
        Get: { Type: 'Pass', InputPath: '$v', End: true },
      },
    }
    assert.deepEqual(await outputOf({ Type: 'Map', ItemProcessor: states }, [1, 2, 3]), [1, 2, 3])
  })

  test('goes through ten thousand items', async () => {
    const items = Array.from({ length: 10_000 }, (_, i) => i)
    const result = await runStates({ M: { ...each(pass), End: true } }, items, { limits: { payloadBytes: 1_000_000 } })
    assert.equal(result.status === 'SUCCEEDED' && (result.output as Json[]).length, 10_000)
  })
})
