import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parseTimestamp } from './timestamps.ts'

describe('parseTimestamp()', () => {
  test('reads RFC 3339 with zone and fractions', () => {
    assert.equal(parseTimestamp('1970-01-01T00:00:01Z'), 1_000)
    assert.equal(parseTimestamp('1970-01-01T01:00:00+01:00'), 0)
    assert.equal(parseTimestamp('1970-01-01T00:00:00.25-00:30'), 1_800_250)
    assert.equal(parseTimestamp('2024-02-29T00:00:00.123456789Z'), Date.UTC(2024, 1, 29) + 123.456789)
  })

  test('gives nothing for any other text', () => {
    const bad = [
      '',
      'now',
      '2024-01-01',
      '2024-01-01T00:00:00',
      '2024-01-01 00:00:00Z',
      '2024-13-01T00:00:00Z',
      '2023-02-29T00:00:00Z',
    ]
    for (const text of [
      ...bad,
      '2024-01-01T24:00:00Z',
      '2024-01-01T00:60:00Z',
      '2024-01-01T00:00:00z',
      '05-12-2016T21:29:29Z',
    ]) {
      assert.equal(parseTimestamp(text), undefined, text)
    }
  })
})
