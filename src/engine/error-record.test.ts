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
