import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Json } from './json.ts'
import { compileJsonata, type JsonataOptions } from './jsonata.ts'

const evaluate = (source: string, bindings: Record<string, Json> = {}, options: JsonataOptions = {}): Promise<Json> =>
  compileJsonata(source).evaluate(undefined, bindings, options)

const failsWith = (code: string, limit?: string) => (error: unknown) => {
  const { code: given, details } = error as { code?: string; details?: { limit?: string } }
  assert.equal(given, code)
  if (limit !== undefined) assert.equal(details?.limit, limit)
  return true
}

describe('compileJsonata()', () => {
  test('refuses a text that does not parse, and says where', () => {
    assert.throws(() => compileJsonata('1 +'), failsWith('jsonata_syntax'))
    try {
      compileJsonata('a b')
    } catch (error) {
      assert.equal((error as { details: { position: number } }).details.position, 3)
    }
  })

  test('refuses a text that is nested too deeply or too long', () => {
    assert.throws(() => compileJsonata('('.repeat(30_000)), failsWith('jsonata_syntax'))
    assert.throws(() => compileJsonata(`"${'x'.repeat(70_000)}"`), failsWith('jsonata_syntax'))
  })

  test('tells which variables are read, and which of them come from outside', () => {
    const { variables, freeVariables } = compileJsonata('($x := $a; $map($b, function($c) { $c + $x ~> $sum }))')
    assert.deepEqual([...freeVariables].sort(), ['a', 'b'])
    assert.ok(variables.has('x') && variables.has('map'))
  })
})

describe('evaluate() gives plain JSON', () => {
  test('for arrays, objects and single results', async () => {
    const items = [{ v: 1 }, { v: 2 }]
    assert.deepStrictEqual(await evaluate('$items.v', { items }), [1, 2])
    assert.deepStrictEqual(await evaluate('{"a": $items[0].v, "b": {"c": []}}', { items }), { a: 1, b: { c: [] } })
    assert.deepStrictEqual(await evaluate('$items[v = 2]', { items }), { v: 2 })
  })

  test('with a result of nothing, a function or a number that JSON has not refused', async () => {
    await assert.rejects(evaluate('$nope'), failsWith('jsonata_undefined'))
    await assert.rejects(evaluate('function($x) { $x }'), failsWith('jsonata_unsupported'))
    await assert.rejects(evaluate('{"f": $sum}'), failsWith('jsonata_unsupported'))
  })

  test('and passes errors of the evaluation on with their code', async () => {
    await assert.rejects(
      evaluate('$nope()'),
      (error: { code: string; message: string; details: { jsonataCode: string } }) => {
        assert.equal(error.code, 'jsonata_failed')
        assert.equal(error.details.jsonataCode, 'T1006')
        assert.match(error.message, /^T1006: /)
        return true
      },
    )
  })
})

describe('evaluate() uses nothing but what it is given', () => {
  test('for time and randomness', async () => {
    const options = { now: () => 86_400_000, random: () => 0.25 }
    assert.equal(await evaluate('$now()', {}, options), '1970-01-02T00:00:00.000Z')
    assert.equal(await evaluate("$now('[Y]')", {}, options), '1970')
    assert.equal(await evaluate('$millis()', {}, options), 86_400_000)
    assert.equal(await evaluate('$random()', {}, options), 0.25)
    assert.deepEqual(
      await evaluate('$shuffle([1, 2, 3, 4])', {}, options),
      await evaluate('$shuffle([1, 2, 3, 4])', {}, options),
    )
  })

  test('for code: $eval is not there', async () => {
    await assert.rejects(evaluate("$eval('1')"), failsWith('jsonata_failed'))
  })

  test('and cannot reach prototypes or the inside of functions', async () => {
    const data = { data: { a: 1 } }
    for (const source of ['$data.constructor', '$data.__proto__', '$lookup($sum, "implementation")', '$sum.*']) {
      await assert.rejects(evaluate(source, data), failsWith('jsonata_undefined'), source)
    }
    await evaluate('$data ~> |$|{"__proto__": {"polluted": true}}|', data)
    assert.equal(({} as { polluted?: boolean }).polluted, undefined)
  })

  test('and cannot change what it was given', async () => {
    const data = { list: [{ n: 1 }] }
    assert.deepEqual(await evaluate('$data ~> |list|{"n": 2}|', { data }), { list: [{ n: 2 }] })
    await assert.rejects(evaluate('{"x": 1} ~> |$data|{"n": 3}|', { data }), failsWith('jsonata_failed'))
    assert.deepEqual(data, { list: [{ n: 1 }] })
  })
})

describe('evaluate() stops an expression', () => {
  // By what is counted alone: the limit on the time would hide a count that misses something.
  const untimed: JsonataOptions = { limits: { timeMs: Number.POSITIVE_INFINITY } }
  const cases: [name: string, source: string, limit: string][] = [
    ['that loops for ever', '($f := function($n) { $f($n) }; $f(1))', 'steps'],
    ['that calls itself for ever', '($f := function($n) { 1 + $f($n) }; $f(1))', 'depth'],
    ['that doubles a text', '($f := function($s, $n) { $n = 0 ? $s : $f($s & $s, $n - 1) }; $f("x", 60))', 'size'],
    [
      'that doubles an object',
      '($f := function($s, $n) { $n = 0 ? $s : $f({"a": $s, "b": $s}, $n - 1) }; $f(1, 60))',
      'size',
    ],
    ['that pads a text', '$pad("", 1000000000)', 'size'],
    ['that joins by a long text', '$join($map([1..9999], function() { "" }), $pad("", 9999))', 'size'],
    ['that multiplies arrays', '($a := [1..9999]; $a.($a))', 'steps'],
    ['that appends in a loop', '$reduce([1..50000], function($a, $b) { $append($a, $b) })', 'steps'],
    ['that backtracks in a regular expression', `$match("${'a'.repeat(40)}!", /(a+)+$/)`, 'steps'],
  ]
  for (const [name, source, limit] of cases) {
    test(name, () => assert.rejects(evaluate(source, {}, untimed), failsWith('jsonata_limit', limit)))
  }

  test('before it has cost much more than a loop that uses up its steps', async () => {
    // Of the process, so that a busy machine changes nothing.
    const cpuMsOf = async (source: string): Promise<number> => {
      const before = process.cpuUsage()
      await assert.rejects(evaluate(source, {}, untimed))
      return process.cpuUsage(before).user / 1000
    }
    const [loop, ...others] = cases
    assert.ok(loop)
    const loopMs = await cpuMsOf(loop[1])
    for (const [name, source] of others) {
      const tookMs = await cpuMsOf(source)
      assert.ok(tookMs < loopMs * 20, `the one ${name} took ${tookMs} ms, the loop ${loopMs} ms`)
    }
  })

  test('that makes a long range', async () => {
    await assert.rejects(evaluate('[1..1000000]'), failsWith('jsonata_failed'))
  })

  test('by the limits of the call', async () => {
    await assert.rejects(evaluate('$sum([1..100])', {}, { limits: { steps: 50 } }), failsWith('jsonata_limit', 'steps'))
    assert.equal(await evaluate('$sum([1..100])'), 5050)
  })

  test('in each of two evaluations at once on its own account', async () => {
    const compiled = compileJsonata('$sum($map([1..$n], function($i) { $i }))')
    const limits = { steps: 2_000 }
    const [small, large] = await Promise.allSettled([
      compiled.evaluate(undefined, { n: 20 }, { limits }),
      compiled.evaluate(undefined, { n: 2_000 }, { limits }),
    ])
    assert.equal(small.status, 'fulfilled')
    assert.equal(large.status, 'rejected')
  })
})

describe('built-in functions that were replaced', () => {
  test('still do what they are for', async () => {
    assert.equal(await evaluate('$pad("a", -3, "#")'), '##a')
    assert.equal(await evaluate('$join(["a", "b"], ", ")'), 'a, b')
    assert.deepEqual(await evaluate('$distinct([1, 1, {"a": [2]}, {"a": [2]}])'), [1, { a: [2] }])
    assert.equal(await evaluate('$toMillis("2020-01-01", "[Y0001]-[M01]-[D01]")'), 1_577_836_800_000)
    assert.equal(await evaluate('$string({"a": 1})'), '{"a":1}')
    assert.equal(await evaluate('$replace("a1b22", /[0-9]+/, "#")'), 'a#b#')
    assert.deepEqual(await evaluate('$split("a, b;c", /[,;]\\s*/)'), ['a', 'b', 'c'])
  })

  test('refuse pictures that would make a regular expression explode', async () => {
    await assert.rejects(
      evaluate(`$toMillis("${'1'.repeat(60)}x", "[Y][M][D][H][m][s][f]")`),
      failsWith('jsonata_failed'),
    )
  })
})
