import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Json } from '../../platform/json.ts'
import type { AslError } from '../errors.ts'
import { compileWrite, parseReferencePath } from './reference-path.ts'

describe('parseReferencePath()', () => {
  test('refuses paths that may name several places, or none of the data', () => {
    for (const source of ['$.a[*]', '$..a', '$.a[0,1]', '$.a[?(@.b)]', '$$.a', '$variable', '$.a.length()']) {
      assert.throws(() => parseReferencePath(source), /is not a reference path/, source)
    }
  })

  test('refuses operators in a name, unless it stands in brackets', () => {
    for (const operator of ['@', ',', ':', '?', '*']) {
      const name = `a${operator}b`
      assert.throws(() => parseReferencePath(`$.${name}`), /expected the end of the path/, name)
      assert.deepEqual(parseReferencePath(`$['${name}']`).steps, [{ kind: 'name', name }])
    }
    assert.equal(parseReferencePath("$.R&D.it's").steps.length, 2)
  })
})

describe('compileWrite()', () => {
  const cases: [path: string, document: Json, expected: Json][] = [
    ['$', { a: 1 }, 'X'],
    ['$.b', { a: 1 }, { a: 1, b: 'X' }],
    ['$.a', { a: 1 }, { a: 'X' }],
    ['$.b.c', { a: 1 }, { a: 1, b: { c: 'X' } }],
    ['$.list[1]', { list: [1, 2, 3] }, { list: [1, 'X', 3] }],
    ['$.list[-1].a', { list: [1, {}] }, { list: [1, { a: 'X' }] }],
  ]
  for (const [path, document, expected] of cases) {
    test(`${path} puts the value there and leaves the document as it was`, () => {
      const before = structuredClone(document)
      assert.deepEqual(compileWrite(path)(document, 'X'), expected)
      assert.deepEqual(document, before)
    })
  }

  test('fails where something else is in the way', () => {
    for (const [path, document] of [
      ['$.a.b', { a: 1 }],
      ['$.a', 'text'],
      ['$.a', [1]],
      ['$.a[0]', {}],
      ['$.a[5]', { a: [1] }],
    ] as const) {
      assert.throws(
        () => compileWrite(path)(document as Json, 'X'),
        (error: AslError) => error.error === 'States.ResultPathMatchFailure',
        path,
      )
    }
  })

  test('cannot reach a prototype', () => {
    const written = compileWrite('$.__proto__.polluted')({}, true)
    assert.equal(({} as { polluted?: boolean }).polluted, undefined)
    assert.equal(Object.getPrototypeOf(written), Object.prototype)
    assert.equal(JSON.stringify(written), '{"__proto__":{"polluted":true}}')
  })
})
