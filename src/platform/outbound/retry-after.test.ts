import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseRetryAfter, parseRetryAfterMs } from './retry-after.ts'

const NOW = Date.UTC(2026, 0, 1)
const DAY = 86_400_000

test('Retry-After is read as seconds and as a date, and is at most a day', () => {
  assert.equal(parseRetryAfter('7', NOW), 7000)
  assert.equal(parseRetryAfter('Thu, 01 Jan 2026 00:00:09 GMT', NOW), 9000)
  assert.equal(parseRetryAfter('Wed, 31 Dec 2025 00:00:00 GMT', NOW), 0)
  assert.equal(parseRetryAfter('99999999999999999999', NOW), DAY)
  assert.equal(parseRetryAfter('soon', NOW), undefined)
  assert.equal(parseRetryAfter(undefined, NOW), undefined)
})

test('Retry-After-Ms is whole milliseconds whatever a service sends', () => {
  const given = ['12.3', '-5', '1e400', 'soon', undefined]
  assert.deepEqual(given.map(parseRetryAfterMs), [13, 0, DAY, undefined, undefined])
})
