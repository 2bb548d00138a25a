import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Json, JsonObject } from '../../platform/json.ts'
import type { AslError } from '../errors.ts'
import { compileIntrinsic } from './compile.ts'
import { seededRandom } from './math.ts'

const call = (source: string, data: Json = {}, variables: JsonObject = {}): Json =>
  compileIntrinsic(source)({
    around: {
      variable: (name) => variables[name],
      context: () => ({ Execution: { Name: 'run' } }),
      now: () => 0,
      random: () => 0.5,
      uuid: () => 'a-uuid',
      limits: {},
    },
    data,
    input: data,
  })

const fails = (source: string, data: Json = {}): void =>
  assert.throws(
    () => call(source, data),
    (error: AslError) => error.error === 'States.Runtime' && error.message.includes(source),
    source,
  )

describe('intrinsic functions', () => {
  const cases: [source: string, expected: Json, data?: Json][] = [
    ["States.Array('a', 1, $.x, null, true)", ['a', 1, { y: 2 }, null, true], { x: { y: 2 } }],
    ['States.Array()', []],
    ['States.ArrayPartition($, 2)', [[1, 2], [3]], [1, 2, 3]],
    ['States.ArrayPartition($, 2.9)', [[1, 2], [3]], [1, 2, 3]],
    ['States.ArrayContains($.a, $.b)', true, { a: [{ x: 1, y: 2 }], b: { x: 1, y: 2 } }],
    ['States.ArrayContains($.a, $.b)', false, { a: [{ x: 1, y: 2 }], b: { y: 2, x: 1 } }],
    ["States.ArrayContains($.a, '1')", true, { a: [1] }],
    ['States.ArrayContains($.a, false)', false, { a: [0, null, ''] }],
    ['States.ArrayRange(5.4, -0.6, -2.4)', [5, 3, 1]],
    ['States.ArrayGetItem($, 1.9)', 'b', ['a', 'b', 'c']],
    ['States.ArrayGetItem($, 7)', null, []],
    ["States.Base64Decode(' R3LD*vMOfZQ== ')", 'Grüße'],
    ['States.MathAdd(2.5, 0)', 3],
    ['States.MathRandom(1.6, 2.9)', 1],
    ['States.ArrayRange(1, 9, 2)', [1, 3, 5, 7, 9]],
    ['States.ArrayRange(5, 1, -2)', [5, 3, 1]],
    ['States.ArrayRange(5, 1, 2)', []],
    ['States.ArrayGetItem($, 1)', 'b', ['a', 'b']],
    ['States.ArrayLength($)', 2, ['a', 'b']],
    ['States.ArrayUnique($)', [1, '1', { a: 1, b: 2 }, null], [1, 1, '1', { a: 1, b: 2 }, { b: 2, a: 1 }, null, null]],
    ["States.Base64Encode('Grüße')", 'R3LDvMOfZQ=='],
    ["States.Base64Decode('R3LDvMOfZQ==')", 'Grüße'],
    ["States.Hash('input data', 'SHA-1')", 'aaff4a450a104cd177d28d18d74485e8cae074b7'],
    ["States.Hash('', 'MD5')", 'd41d8cd98f00b204e9800998ecf8427e'],
    [
      'States.JsonMerge($.a, $.b, false)',
      { x: { new: 1 }, y: 1 },
      { a: { x: { old: 1 }, y: 1 }, b: { x: { new: 1 } } },
    ],
    ['States.StringToJson(\'{"a": [1]}\')', { a: [1] }],
    ["States.StringToJson('  ')", null],
    ['States.JsonToString($)', '{"a":[1,null]}', { a: [1, null] }],
    ['States.MathAdd(1, -2)', -1],
    ['States.MathAdd(1.49, 0)', 1],
    ['States.MathAdd(-1.5, 0)', -1],
    ['States.MathRandom(10, 20)', 15],
    ["States.StringSplit('a,b;,c', ',;')", ['a', 'b', 'c']],
    ["States.StringSplit(',,', ',')", []],
    ['States.UUID()', 'a-uuid'],
    ["States.Format('{} and {}', $.a, 2)", 'x and 2', { a: 'x' }],
    ["States.Format('\\{\\} {} \\'quoted\\' \\\\', 'a')", "{} a 'quoted' \\"],
    ['States.Format($.template, 1)', 'n=1', { template: 'n={}' }],
    ["States.Format('{}', $)", '{a=1, b=[x, null, {}], c={d=true}}', { a: 1, b: ['x', null, {}], c: { d: true } }],
    ["States.Format('{}', $$.Execution.Name)", 'run'],
    ["States.Array($['it\\'s'], $['a),b'] , 1)", [1, 2, 1], { "it's": 1, 'a),b': 2 }],
    ["States.Array($.l[?(@.k =~ /.*['),].*/)].n, $.l.length())", [[2], 2], { l: [{ k: 'a' }, { k: "b'", n: 2 }] }],
    ['States.ArrayLength(States.ArrayRange(1, States.MathAdd(2, 3), 1))', 5],
  ]
  for (const [source, expected, data] of cases) test(source, () => assert.deepEqual(call(source, data), expected))

  test('with a seed give the same number every time', () => {
    const draw = (seed: number): Json => call(`States.MathRandom(0, 1000000, ${seed})`)
    assert.equal(draw(7), draw(7))
    assert.equal(seededRandom(42), 0.7275636800328681)
    assert.equal(seededRandom(-5), 0.26930095796932485)
    assert.equal(seededRandom(123_456_789_012), 0.013835938433091277)
    assert.notEqual(draw(7), draw(8))
  })

  test('read variables', () => {
    assert.equal(call("States.Format('{}', $name.first)", {}, { name: { first: 'Ada' } }), 'Ada')
  })

  test('fail by name for what they cannot use', () => {
    fails('States.ArrayGetItem($, 5)', [1])
    fails('States.ArrayGetItem($, -1)', [1])
    fails('States.ArrayPartition($, 0)', [1])
    fails('States.ArrayRange(1, 5000, 1)')
    fails('States.ArrayRange(1, 5, 0)')
    fails('States.ArrayLength($)', 'text')
    fails("States.Hash('a', 'SHA-3')")
    fails('States.JsonMerge($, $, true)')
    fails("States.StringToJson('{')")
    fails('States.MathAdd(2147483647, 1)')
    fails("States.MathAdd('1', 1)")
    fails('States.MathRandom(5, 5)')
    fails('States.MathRandom(1.4, 1.6)')
    fails('States.ArrayPartition($, 0.9)', [1])
    fails('States.Format($.t, 1)', { t: '{} {}' })
    fails('States.Format($.t, 1)', { t: 'a { {}' })
  })

  test('fail only when they are evaluated, with a wrong number of arguments or a lone brace', () => {
    fails('States.Hash()')
    fails('States.UUID(1)')
    fails('States.ArrayContains($, 1, 2)', [])
    fails("States.Format('{} {}', 1)")
    fails("States.Format('{', 1)")
    fails("States.Format('{{}}', 1)")
    assert.match(compileIntrinsic("States.Array(States.Format('{} {}', 1))").flaw ?? '', /2 \{\} for 1 values/)
    assert.equal(compileIntrinsic("States.Format('\\{{}', 1)").flaw, undefined)
  })

  test('end the run when a path in them leads nowhere', () => {
    assert.throws(
      () => call('States.ArrayLength($.nope)'),
      (error: AslError) =>
        error.error === 'States.Runtime' &&
        /argument for the field '\$\.nope' could not be found in the input '\{\}'/.test(error.message),
    )
  })
})

describe('compileIntrinsic()', () => {
  test('refuses what is not a call, an unknown function, a backslash that escapes nothing', () => {
    const nested = `${'States.Array('.repeat(11)}${')'.repeat(11)}`
    for (const source of [
      'States.Nope()',
      String.raw`States.StringToJson('{\"a\":1}')`,
      String.raw`States.Base64Decode('YWJj\nZA==')`,
      'States.Format',
      'States.Array(',
      "States.Array('a)",
      'States.Array(a)',
      nested,
    ]) {
      assert.throws(() => compileIntrinsic(source), Error, source)
    }
  })
})
