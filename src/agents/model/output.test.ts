import assert from 'node:assert/strict'
import test from 'node:test'
import { isStrictSchema } from './output.ts'

test('isStrictSchema() takes closed objects whose fields are all required, at every depth', () => {
  const closed = (properties: object, required = Object.keys(properties)) =>
    ({ type: 'object', additionalProperties: false, required, properties }) as const
  assert.equal(isStrictSchema(closed({ a: { type: 'string' }, b: closed({ c: { type: 'null' } }) })), true)
  assert.equal(isStrictSchema({ type: 'array', items: closed({}) }), true)
  assert.equal(isStrictSchema(closed({ a: { type: 'string' } }, [])), false)
  assert.equal(isStrictSchema(closed({ a: { type: 'object', properties: {} } })), false)
  assert.equal(isStrictSchema({ anyOf: [closed({}), { type: 'object' }] }), false)
  assert.equal(isStrictSchema({ type: 'array', items: { properties: { a: {} } } }), false)
})
