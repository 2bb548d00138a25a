import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AppError } from '../platform/errors.ts'
import { toErrorRecord } from './index.ts'

const LONG = 'x'.repeat(2_000_000)

test('an error is kept as long as a reader may want it, however much was thrown', () => {
  for (const error of [
    new Error(LONG),
    new AppError('long', LONG),
    LONG,
    Object.assign(new Error('e'), { code: LONG }),
  ]) {
    assert.ok(JSON.stringify(toErrorRecord(error)).length < 40_000)
  }
  assert.match(toErrorRecord(new Error(LONG)).message, /^x{1000}.*… \(2000000 characters\)$/)
  assert.equal(toErrorRecord(new Error('x'.repeat(32_768))).message.length, 32_768)
})

test('details of an error that are larger than a payload may be are left out', () => {
  assert.deepEqual(toErrorRecord(new AppError('e', 'm', { details: { body: 'b' } })).details, { body: 'b' })
  const { details } = toErrorRecord(new AppError('e', 'm', { details: { body: LONG } }))
  assert.deepEqual(details, { omitted: '2000011 characters' })
})

test('what is thrown keeps what it says of itself, be it an error or not', () => {
  const record = (thrown: unknown) => {
    const { code, message } = toErrorRecord(thrown)
    return `${code}: ${message}`
  }
  assert.equal(record(undefined), 'error: undefined')
  assert.equal(record('a text'), 'error: a text')
  assert.equal(record({ code: 'E_GONE', message: 'it is gone' }), 'E_GONE: it is gone')
  assert.equal(record({ status: 404 }), 'error: {"status":404}')
  assert.equal(record(Object.assign(new Error('taken'), { code: 11000 })), '11000: taken')
  assert.equal(record(new DOMException('took too long', 'TimeoutError')), 'TimeoutError: took too long')
  assert.equal(record(new RangeError('too far')), 'RangeError: too far')
})

test('what cannot be looked at is kept as an error, too', () => {
  const refuse = () => {
    throw new Error('not for you')
  }
  const closed = { get: refuse, getPrototypeOf: refuse }
  for (const thrown of [new Proxy({}, closed), new Proxy(new Error('e'), closed), Object.create(null)]) {
    const { code, message } = toErrorRecord(thrown)
    assert.equal(code, 'error')
    assert.ok(message.length > 0)
  }
})
