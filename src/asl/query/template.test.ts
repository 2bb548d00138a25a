import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Json } from '../../platform/json.ts'
import type { AslError } from '../errors.ts'
import type { Focus } from './focus.ts'
import { compileTemplate } from './template.ts'

const focus = (data: Json): Focus => ({
  around: {
    variable: () => undefined,
    context: () => ({ id: 1 }),
    now: () => 0,
    random: () => 0,
    uuid: () => '',
    limits: {},
  },
  data,
  input: data,
})

describe('compileTemplate()', () => {
  test('replaces fields that end in .$ at any depth, also in arrays', () => {
    const template = { a: 1, 'b.$': '$.x', list: [{ 'c.$': '$$.id' }, '$.x'], 'd.$': "States.Format('{}!', $.x)" }
    assert.deepEqual(compileTemplate(template)(focus({ x: 'X' })), { a: 1, b: 'X', list: [{ c: 1 }, '$.x'], d: 'X!' })
  })

  test('keeps a null that a path leads to', () => {
    assert.deepEqual(compileTemplate([{ 'a.$': '$.x' }])(focus({ x: null })), [{ a: null }])
  })

  test('gives a template without expressions as it is', () => {
    const template = { a: ['$.x'] }
    assert.equal(compileTemplate(template)(focus({})), template)
  })

  test('gives null for an index behind the end of an array, and fails for what is below it or for one into something else', () => {
    const at = (path: string, data: Json): Json => compileTemplate({ 'a.$': path })(focus(data))
    assert.deepEqual(at('$.x[5]', { x: [1] }), { a: null })
    assert.throws(() => at('$.x[5].name', { x: [1] }), /could not be found/)
    assert.throws(() => at('$.x[0]', { x: 'text' }), /could not be found/)
    assert.throws(() => at('$.y[0]', { x: [1] }), /could not be found/)
  })

  test('fails for a path that leads nowhere, naming the field', () => {
    assert.throws(
      () => compileTemplate({ 'a.$': '$.nope' })(focus({})),
      (error: AslError) => error.error === 'States.Runtime' && error.message.includes("'a.$'"),
    )
  })

  test('refuses what does not parse', () => {
    for (const template of [{ 'a.$': 'x' }, { 'a.$': 1 }, { 'a.$': 'States.Nope()' }]) {
      assert.throws(() => compileTemplate(template), Error)
    }
  })

  test('makes own fields only', () => {
    const made = compileTemplate(JSON.parse('{"__proto__.$": "$.x"}') as Json)(focus({ x: { polluted: 1 } }))
    assert.equal(Object.getPrototypeOf(made), Object.prototype)
    assert.equal(JSON.stringify(made), '{"__proto__":{"polluted":1}}')
  })
})
