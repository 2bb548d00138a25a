import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Json } from '../../platform/json.ts'
import { parseLeadingJson } from './leading-json.ts'

describe('parseLeadingJson()', () => {
  const cases: [text: string, expected: Json][] = [
    ['{"a": [1, "}]\\""]} as asked', { a: [1, '}]"'] }],
    ['[1, 2]{"b": 3}', [1, 2]],
    [' {"a": 1}\n{"a": 2}\n', { a: 1 }],
    ['"x\\"y" z', 'x"y'],
    ['-1.5e3 6', -1500],
    ['true, or not', true],
    ['null', null],
    ['', null],
    [' \n', null],
  ]
  for (const [text, expected] of cases) {
    test(JSON.stringify(text), () => assert.deepEqual(parseLeadingJson(text), expected))
  }

  test('refuses what does not begin with a value', () => {
    for (const text of [
      'abc',
      '{',
      '{"a": 1',
      '[1,2',
      '{"a" 1} x',
      '"open',
      '5,6',
      '5x',
      'nullx',
      "{'a': 1}",
      '01 ',
      '{]} x',
    ]) {
      assert.throws(() => parseLeadingJson(text), SyntaxError, text)
    }
  })
})
