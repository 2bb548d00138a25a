import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { validate, variableReferences } from '../index.ts'

const pass = { Type: 'Pass', End: true }

describe('variableReferences()', () => {
  test('finds variables in paths, functions, rules and expressions, state by state', () => {
    const definition = {
      StartAt: 'A',
      States: {
        A: {
          Type: 'Pass',
          Assign: { a: 1, 'b.$': '$c.x' },
          Parameters: { list: [{ 'f.$': "States.Format('{}', $d)" }], text: '$e' },
          Next: 'B',
        },
        B: {
          Type: 'Choice',
          Choices: [{ And: [{ Variable: '$f', NumericEqualsPath: '$g' }], Next: 'C' }],
          Default: 'C',
        },
        C: {
          Type: 'Map',
          QueryLanguage: 'JSONata',
          Items: '{% $h %}',
          ItemProcessor: {
            StartAt: 'D',
            States: {
              D: { ...pass, QueryLanguage: 'JSONata', Output: { x: '{% $map($i, function($v) { $v + $uuid() }) %}' } },
            },
          },
          Catch: [{ ErrorEquals: ['E'], Next: 'F', Output: '{% $j %}' }],
          Next: 'F',
        },
        F: { Type: 'Succeed' },
      },
    }
    assert.deepEqual(variableReferences(definition), { A: ['c', 'd'], B: ['f', 'g'], C: ['h', 'j'], D: ['i'] })
  })

  test('leaves the context object, $states, functions and inner bindings out', () => {
    const definition = {
      QueryLanguage: 'JSONata',
      StartAt: 'A',
      States: {
        A: { ...pass, Output: '{% ($x := $states.input; $sum($x) & $hash("a", "MD5") & $map([1], $string)) %}' },
      },
    }
    assert.deepEqual(variableReferences(definition), {})
  })
})

describe('scopes', () => {
  const inner = (mode: string) => ({
    StartAt: 'A',
    States: {
      A: { Type: 'Pass', Assign: { outer: 1 }, Next: 'M' },
      M: {
        Type: 'Map',
        ItemProcessor: {
          ProcessorConfig: { Mode: mode },
          StartAt: 'I',
          States: { I: { ...pass, InputPath: '$outer' } },
        },
        End: true,
      },
    },
  })

  test('inside see what was assigned outside, but not the children of a distributed Map', () => {
    assert.deepEqual(validate(inner('INLINE')).findings, [])
    assert.deepEqual(
      validate(inner('DISTRIBUTED')).findings.map(({ code }) => code),
      ['UNASSIGNED_VARIABLE'],
    )
  })

  test('outside do not see what was assigned inside', () => {
    const definition = {
      StartAt: 'P',
      States: {
        P: {
          Type: 'Parallel',
          Branches: [{ StartAt: 'I', States: { I: { ...pass, Assign: { own: 1 } } } }],
          Next: 'Z',
        },
        Z: { ...pass, InputPath: '$own' },
      },
    }
    assert.deepEqual(
      validate(definition).findings.map(({ state, code }) => [state, code]),
      [['Z', 'UNASSIGNED_VARIABLE']],
    )
  })

  test('beside one another may use the same names', () => {
    const branch = { StartAt: 'I', States: { I: { ...pass, Assign: { v: 1 } } } }
    const other = { StartAt: 'J', States: { J: { ...pass, Assign: { v: 1 } } } }
    const definition = { StartAt: 'P', States: { P: { Type: 'Parallel', Branches: [branch, other], End: true } } }
    assert.deepEqual(validate(definition).findings, [])
  })
})
