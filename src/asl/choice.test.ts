import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Json, JsonObject } from '../platform/json.ts'
import { compileRule } from './choice.ts'
import { compileWildcard } from './choice-operators.ts'
import type { AslError } from './errors.ts'

const matches = (rule: JsonObject, data: Json): boolean =>
  compileRule(rule)({
    around: {
      variable: () => undefined,
      context: () => ({}),
      now: () => 0,
      random: () => 0,
      uuid: () => '',
      limits: {},
    },
    data,
    input: data,
  })

const EARLY = '2026-01-01T00:00:00Z'
const SAME_ELSEWHERE = '2026-01-01T02:00:00+02:00'
const LATE = '2026-06-01T00:00:00.5Z'

describe('comparisons', () => {
  const table: [operator: string, value: Json, operand: Json, expected: boolean][] = [
    ['StringEquals', 'a', 'a', true],
    ['StringEquals', 1, '1', false],
    ['StringLessThan', 'a', 'b', true],
    ['StringLessThan', 'B', 'a', true],
    ['StringGreaterThan', 'b', 'a', true],
    ['StringGreaterThanEquals', 'a', 'a', true],
    ['StringLessThanEquals', 'b', 'a', false],
    ['NumericEquals', 1.0, 1, true],
    ['NumericEquals', '1', 1, false],
    ['NumericEquals', true, 1, false],
    ['NumericLessThan', 1, 2, true],
    ['NumericGreaterThan', 1, 1, false],
    ['NumericGreaterThanEquals', 1, 1, true],
    ['NumericLessThanEquals', null, 1, false],
    ['BooleanEquals', false, false, true],
    ['BooleanEquals', 0, false, false],
    ['BooleanEquals', 'true', true, false],
    ['TimestampEquals', SAME_ELSEWHERE, EARLY, true],
    ['TimestampLessThan', EARLY, LATE, true],
    ['TimestampGreaterThan', EARLY, LATE, false],
    ['TimestampLessThanEquals', 'yesterday', LATE, false],
    ['TimestampGreaterThanEquals', LATE, LATE, true],
  ]
  for (const [operator, value, operand, expected] of table) {
    const shown = `${operator} ${JSON.stringify(value)} ${JSON.stringify(operand)} is ${expected}`
    test(shown, () => assert.equal(matches({ Variable: '$.v', [operator]: operand }, { v: value }), expected))
    test(`${shown} also by a path`, () => {
      assert.equal(matches({ Variable: '$.v', [`${operator}Path`]: '$.o' }, { v: value, o: operand }), expected)
    })
  }
})

describe('type tests', () => {
  const values: [name: string, value: Json][] = [
    ['IsNull', null],
    ['IsString', 'text'],
    ['IsNumeric', 0],
    ['IsBoolean', false],
    ['IsTimestamp', EARLY],
  ]
  for (const [operator] of values) {
    for (const [name, value] of values) {
      const expected = operator === name || (operator === 'IsString' && name === 'IsTimestamp')
      test(`${operator} is ${expected} for ${JSON.stringify(value)}, and the other way with false`, () => {
        assert.equal(matches({ Variable: '$.v', [operator]: true }, { v: value }), expected)
        assert.equal(matches({ Variable: '$.v', [operator]: false }, { v: value }), !expected)
      })
    }
  }

  test('IsTimestamp wants a T, a zone, and a day that exists', () => {
    for (const text of [
      '2026-01-01',
      '2026-01-01T00:00:00',
      '2026-01-01t00:00:00z',
      '2026-02-30T00:00:00Z',
      '2026-01-01T25:00:00Z',
    ]) {
      assert.equal(matches({ Variable: '$.v', IsTimestamp: true }, { v: text }), false, text)
    }
  })

  test('IsPresent is the only one that may look at nothing', () => {
    assert.equal(matches({ Variable: '$.nope', IsPresent: false }, {}), true)
    assert.equal(matches({ Variable: '$.v', IsPresent: true }, { v: null }), true)
    assert.throws(
      () => matches({ Variable: '$.nope', IsNull: true }, {}),
      (error: AslError) => error.error === 'States.Runtime',
    )
  })
})

describe('And, Or, Not', () => {
  test('join rules, and stop as soon as the answer is known', () => {
    const present = { Variable: '$.v', IsPresent: true }
    const isOne = { Variable: '$.v', NumericEquals: 1 }
    assert.equal(matches({ And: [present, isOne] }, { v: 1 }), true)
    assert.equal(matches({ And: [present, isOne] }, {}), false)
    assert.equal(matches({ Or: [{ Not: present }, isOne] }, {}), true)
    assert.equal(matches({ Not: { Or: [isOne, { Variable: '$.v', NumericEquals: 2 }] } }, { v: 3 }), true)
  })
})

test('a rule about data that is null as a whole ends the run', () => {
  for (const operator of ['IsNull', 'IsString', 'IsPresent']) {
    assert.throws(() => matches({ Variable: '$', [operator]: true }, null), {
      error: 'States.Runtime',
      message: /null or empty input/,
    })
  }
  assert.throws(() => matches({ Variable: '$.x', IsPresent: false }, null), { error: 'States.Runtime' })
})

describe('StringMatches', () => {
  const table: [pattern: string, text: string, expected: boolean][] = [
    ['*', '', true],
    ['foo*.log', 'foo-1.log', true],
    ['foo*.log', 'foo.lo', false],
    ['a*b*c', 'a--b--c', true],
    ['a*b*c', 'a--c--b', false],
    ['a*a', 'a', false],
    ['a\\*b', 'a*b', true],
    ['a\\*b', 'axb', false],
    ['a\\\\*', 'a\\anything', true],
  ]
  for (const [pattern, text, expected] of table) {
    test(`'${pattern}' ${expected ? 'covers' : 'does not cover'} '${text}'`, () =>
      assert.equal(compileWildcard(pattern)?.(text), expected))
  }

  test('ends the run where a backslash escapes nothing', () => {
    for (const pattern of ['a\\n*', 'a\\']) {
      assert.throws(() => matches({ Variable: '$.x', StringMatches: pattern }, { x: 'a' }), { error: 'States.Runtime' })
    }
  })

  test('takes hardly longer for many stars', () => {
    /** The shortest of several times, so that a pause of the machine does not count. */
    const shortestMs = (stars: number): number => {
      const covers = compileWildcard(`${'a*'.repeat(stars)}b*`)!
      const text = 'a'.repeat(300)
      const once = (): number => {
        const startMs = performance.now()
        for (let i = 0; i < 50; i++) assert.equal(covers(text), false)
        return performance.now() - startMs
      }
      return Math.min(...Array.from({ length: 5 }, once))
    }
    // Tried in every combination, three stars would take thousands of times as long as one.
    const [one, three] = [shortestMs(1), shortestMs(3)]
    assert.ok(three < one * 100, `one star took ${one} ms, three took ${three} ms`)
    assert.equal(compileWildcard(`${'a*'.repeat(500)}b*`)?.('a'.repeat(100_000)), false)
  })
})
