import assert from 'node:assert/strict'
import { test } from 'node:test'
import { serialize, toJson } from './serialize.ts'

const refused = (message: RegExp) => (error: Error & { code?: string }) =>
  error.code === 'not_serializable' && message.test(error.message)

test('serialize() gives the JSON text, and null for nothing', () => {
  assert.equal(serialize({ a: [1, {}, new Date(0)] }, 100, 'it'), '{"a":[1,{},"1970-01-01T00:00:00.000Z"]}')
  assert.equal(serialize(undefined, 100, 'it'), 'null')
  assert.equal(serialize({ set: Object.assign(new Set([1]), { toJSON: () => ({}) }) }, 100, 'it'), '{"set":{}}')
})

test('serialize() refuses what is too large, by its bytes', () => {
  assert.equal(serialize('ä'.repeat(4), 10, 'it'), '"ääää"')
  assert.throws(() => serialize('ä'.repeat(5), 10, 'the result'), {
    code: 'payload_too_large',
    message: /^the result has 12 bytes as JSON; allowed: 10/,
  })
})

test('serialize() and toJson() refuse what JSON cannot hold, and say where it is and what to give instead', () => {
  const circle: { self?: unknown } = {}
  circle.self = circle
  for (const keep of [
    (value: unknown) => serialize(value, 1000, 'the result'),
    (v: unknown) => toJson(v, 'the result'),
  ]) {
    assert.throws(() => keep(circle), refused(/^the result cannot be kept as JSON: .*circular/))
    assert.throws(() => keep(1n), refused(/BigInt/))
    assert.throws(() => keep(() => 1), refused(/it is a function/))
    assert.throws(() => keep(new Map([['a', 1]])), refused(/: it is a Map; give Object\.fromEntries/))
    assert.throws(() => keep({ of: [{ tags: new Set() }] }), refused(/: \/of\/0\/tags is a Set; give it as a list/))
    assert.throws(() => keep({ a: {}, later: Promise.resolve(1) }), refused(/: \/later is a promise; wait for it/))
  }
})

test('toJson() gives what a reader of the journal will get', () => {
  assert.deepEqual(toJson({ at: new Date(0), gone: undefined, odd: Number.NaN }, 'it'), {
    at: '1970-01-01T00:00:00.000Z',
    odd: null,
  })
  assert.equal(toJson(undefined, 'it'), null)
})
