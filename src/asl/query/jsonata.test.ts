import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Json, JsonObject } from '../../platform/json.ts'
import type { AslError } from '../errors.ts'
import type { Focus } from './focus.ts'
import { compileExpression, compileJsonataTemplate, expectKind, isExpression } from './jsonata.ts'

interface Seen extends Focus {
  contexts(): number
}

const makeFocus = (input: Json, more: Partial<Focus> = {}, variables: JsonObject = {}): Seen => {
  let contexts = 0
  return {
    around: {
      variable: (name) => variables[name],
      context: () => {
        contexts++
        return { State: { Name: 'S' } }
      },
      now: () => 0,
      random: () => 0.5,
      uuid: () => 'a-uuid',
      limits: {},
    },
    data: input,
    input,
    contexts: () => contexts,
    ...more,
  }
}

const evaluate = async (source: string, focus: Focus = makeFocus({})): Promise<Json> =>
  compileExpression(`{% ${source} %}`, 'Output')(focus)

describe('isExpression()', () => {
  test('wants the text to begin with {% and to end with %}', () => {
    assert.ok(isExpression('{% 1 %}') && isExpression('{%1%}'))
    for (const text of [' {% 1 %}', '{% 1 %} ', '{%}', '{1}', 1, null]) assert.ok(!isExpression(text), String(text))
  })
})

describe('an expression', () => {
  test('sees $states and the variables', async () => {
    const focus = makeFocus({ n: 2 }, { result: [1], errorOutput: { Error: 'E' } }, { v: { w: 3 } })
    assert.equal(await evaluate('$states.input.n + $v.w', focus), 5)
    assert.deepEqual(await evaluate('[$states.result, $states.errorOutput.Error, $states.context.State.Name]', focus), [
      1,
      'E',
      'S',
    ])
  })

  test('that does not look at the context object does not have it built', async () => {
    const focus = makeFocus({ n: 1 })
    await evaluate('$states.input.n', focus)
    assert.equal(focus.contexts(), 0)
    await evaluate('$states . context.State', focus)
    assert.equal(focus.contexts(), 1)
  })

  test('may use the added functions', async () => {
    const cases: [string, Json][] = [
      ['$partition([1, 2, 3], 2)', [[1, 2], [3]]],
      ['$range(0, 10, 3)', [0, 3, 6, 9]],
      ['$range(-1.7, 2.9, 1.5)', [-1, 0, 1, 2]],
      ['$range(3, 3, 1)', 3],
      ['$partition([1, 2, 3], 2.9)', [[1, 2], [3]]],
      ['$partition([1, 2, 3])', [[1, 2, 3]]],
      ['$hash("a", "MD5")', '0cc175b9c0f1b6a831c399e269772661'],
      ['$random()', 0.5],
      ['$random(1) = $random(1)', true],
      ['$uuid()', 'a-uuid'],
      ['$parse("{\\"a\\": [1]}")', { a: [1] }],
      ['$exists($parse($states.input.nope))', false],
    ]
    for (const [source, expected] of cases) assert.deepEqual(await evaluate(source), expected, source)
  })

  test('fails as States.QueryEvaluationError that names the expression and the field', async () => {
    for (const source of [
      '$states.input.nope',
      'function() { 1 }',
      '$nope()',
      '$parse("{")',
      '$partition([1], 0)',
      '$partition([], 2)',
      '$partition([1], 2, 3)',
      '$range(1, 5)',
      '$range(5, 1, 1)',
      '$hash("a", "?")',
      '$hash("a")',
      '$hash(1, "MD5")',
      '$uuid(1)',
      '$random("seed")',
      '$random(null)',
      '$parse("")',
      '$parse(1)',
    ]) {
      await assert.rejects(evaluate(source), (error: AslError) => {
        assert.equal(error.error, 'States.QueryEvaluationError')
        assert.equal(error.field, 'Output')
        assert.match(error.message, /^The JSONata expression '.*' specified for the field 'Output' /)
        return true
      })
    }
  })
})

test('what JSONata says of an error stands after its code as a sentence, what a function says does not', async () => {
  await assert.rejects(evaluate('$nope()'), { message: /threw an error during evaluation\. T1006: / })
  await assert.rejects(evaluate('$partition([1], -1)'), { message: /threw an error during evaluation: The chunk / })
})

describe('compileJsonataTemplate()', () => {
  test('replaces expressions at any depth and leaves other texts alone', async () => {
    const template = { a: '{% 1 + 1 %}', b: ['x', '{% $states.input %}'], c: '{%', 'd.$': '$.x' }
    assert.deepEqual(await compileJsonataTemplate(template, 'Output')(makeFocus('in')), {
      a: 2,
      b: ['x', 'in'],
      c: '{%',
      'd.$': '$.x',
    })
  })

  test('names the place of what failed', async () => {
    const evaluateAll = compileJsonataTemplate({ a: [{ b: '{% $nope() %}' }] }, 'Output')
    await assert.rejects(
      async () => evaluateAll(makeFocus({})),
      (error: AslError) => error.field === 'Output/a[0]/b',
    )
  })
})

describe('expectKind()', () => {
  test('passes what is of the kind and names what is not', () => {
    assert.deepEqual(expectKind([1], 'array', 'Items', '{% x %}'), [1])
    assert.throws(
      () => expectKind(null, 'array', 'Items', '{% null %}'),
      /Expected 'array', but was 'null' for value: null/,
    )
  })
})
