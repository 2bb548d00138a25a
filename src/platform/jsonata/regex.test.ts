import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { makeRegexEngine } from './regex.ts'

const atom = fc.constantFrom(
  ...[
    'a',
    'b',
    '.',
    '\\d',
    '\\w',
    '\\s',
    '\\b',
    '\\B',
    '^',
    '$',
    '[ab]',
    '[^a]',
    '[a-c\\d]',
    '\\x61',
    'A',
    '-',
    '\\.',
    ' ',
  ],
)
const quantifier = fc.constantFrom('', '', '', '*', '+', '?', '{2}', '{1,3}', '{0,}', '*?', '+?', '??', '{1,2}?')
const opening = fc.constantFrom('(', '(?:', '(?=', '(?!', '(?<=', '(?<!', '(?<n>')
const pattern = fc.letrec<{ either: string; sequence: string; term: string }>((tie) => ({
  either: fc.array(tie('sequence'), { minLength: 1, maxLength: 3 }).map((parts) => parts.join('|')),
  sequence: fc.array(tie('term'), { maxLength: 4 }).map((parts) => parts.join('')),
  term: fc.oneof(
    { depthSize: 'small' },
    fc.tuple(atom, quantifier).map(([one, times]) => (/^(\^|\$|\\b|\\B)$/i.test(one) ? one : one + times)),
    fc
      .tuple(opening, tie('either'), quantifier)
      .map(([open, inner, times]) => `${open}${inner})${/[=!]$/.test(open) ? '' : times}`),
  ),
})).either
const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c', 'A', '1', ' ', '\n', '-', '.', 'é', 'É'), maxLength: 12 })

/** JavaScript's own takes about as many, and cannot be stopped. */
const MOST_STEPS = 100_000

const compileNative = (source: string, flags: string): RegExp | undefined => {
  try {
    return new RegExp(source, `g${flags}`)
  } catch {
    return undefined
  }
}

describe('the counting regular expression engine', () => {
  test('matches exactly as the engine of JavaScript does', () => {
    let steps = 0
    const endless = new Error('both would take for ever')
    const Engine = makeRegexEngine((more) => {
      steps += more
      if (steps > MOST_STEPS) throw endless
    })
    const exec = (engine: InstanceType<typeof Engine>, subject: string): ReturnType<typeof engine.exec> | undefined => {
      try {
        return engine.exec(subject)
      } catch (error) {
        if (error === endless) return undefined
        throw error
      }
    }
    let compared = 0
    fc.assert(
      fc.property(pattern, fc.constantFrom('', 'i', 'm', 'im'), text, (source, flags, subject) => {
        const native = compileNative(source, flags)
        if (!native) return
        const mine = new Engine(native)
        steps = 0
        for (let i = 0; i < 4; i++) {
          const actual = exec(mine, subject)
          if (actual === undefined) return
          const expected: RegExpExecArray | null = native.exec(subject)
          compared++
          assert.deepEqual(
            actual && [actual.index, ...actual],
            expected && [expected.index, ...expected],
            `${native} on ${subject}`,
          )
          if (!expected) return
          assert.equal(mine.lastIndex, native.lastIndex)
          if (expected[0] === '') mine.lastIndex = ++native.lastIndex
        }
      }),
      { numRuns: 2_000 },
    )
    assert.ok(compared > 1_000, `${compared} were compared`)
  })

  test('knows back references, named groups and escapes', () => {
    const Engine = makeRegexEngine(() => undefined)
    const cases: [RegExp, string][] = [
      [/(a|b)\1/g, 'abba'],
      [/(?<x>\d)-\k<x>/g, '1-2 3-3'],
      [/[\w-]+@[\w.]+/g, 'to: some-one@example.org'],
      [/\u00e9\t\x41\cJ/g, '\u00e9\tA\n'],
      [/[^\S ]/g, 'a b\tc'],
    ]
    for (const [native, subject] of cases) {
      const expected: RegExpExecArray | null = new RegExp(native).exec(subject)
      assert.deepEqual([...(new Engine(native).exec(subject) ?? [])], [...(expected ?? [])], String(native))
    }
  })

  test('lets its steps be counted, and stops when the count throws', () => {
    let steps = 0
    const Engine = makeRegexEngine((more) => {
      steps += more
      if (steps > 100_000) throw new Error('enough')
    })
    assert.throws(() => new Engine(/(a+)+$/g).exec(`${'a'.repeat(60)}!`), /enough/)
    steps = 0
    new Engine(/a+$/g).exec('a'.repeat(1_000))
    assert.ok(steps > 1_000 && steps < 10_000, `${steps} steps`)
  })

  test('handles a long subject without calls within calls', () => {
    const Engine = makeRegexEngine(() => undefined)
    assert.equal(new Engine(/(?:a|b)*c/g).exec(`${'ab'.repeat(50_000)}c`)?.[0].length, 100_001)
  })

  test('refuses what would become too large', () => {
    const Engine = makeRegexEngine(() => undefined)
    assert.throws(() => new Engine(/(?:(?:a{100}){100}){100}/g), /too large/)
  })
})
