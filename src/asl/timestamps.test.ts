import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parseInstant, parseOffsetDateTime } from './timestamps.ts'

describe('parseOffsetDateTime()', () => {
  test('reads a date and time with zone and fractions', () => {
    assert.equal(parseOffsetDateTime('1970-01-01T00:00:01Z'), 1_000)
    assert.equal(parseOffsetDateTime('1970-01-01T01:00:00+01:00'), 0)
    assert.equal(parseOffsetDateTime('1970-01-01T00:00:00.25-00:30'), 1_800_250)
    assert.equal(parseOffsetDateTime('2024-02-29T00:00:00.123456789Z'), Date.UTC(2024, 1, 29) + 123.456789)
    assert.equal(parseOffsetDateTime('0001-01-01T00:00:00Z'), Date.parse('0001-01-01T00:00:00Z'))
  })

  test('reads what the service also takes: no seconds, small letters, an offset with seconds', () => {
    assert.equal(parseOffsetDateTime('1970-01-01T00:01Z'), 60_000)
    assert.equal(parseOffsetDateTime('1970-01-01t00:00:01z'), 1_000)
    assert.equal(parseOffsetDateTime('1970-01-01T00:00:00-00:00:30'), 30_000)
    assert.equal(parseOffsetDateTime('1970-01-01T18:00+18:00'), 0)
    assert.equal(parseOffsetDateTime('1970-01-01T02:00:00+02'), 0)
  })

  test('gives nothing for any other text', () => {
    for (const text of [
      ...['', 'now', '2024-01-01', '2024-01-01T00:00:00', '2024-01-01 00:00:00Z', '2024-13-01T00:00:00Z'],
      ...['2023-02-29T00:00:00Z', '2024-01-01T24:00:00Z', '2024-01-01T00:60:00Z', '05-12-2016T21:29:29Z'],
      ...['2024-01-01T00:00:00+0100', '2024-01-01T00:00:00+18:01', '2024-01-01T00:00:60Z', '2024-01-01T00.5Z'],
    ]) {
      assert.equal(parseOffsetDateTime(text), undefined, text)
    }
  })
})

describe('parseInstant()', () => {
  test('reads RFC 3339 only, with capital letters', () => {
    assert.deepEqual(parseInstant('1970-01-01T01:00:00.5+01:00'), { seconds: 0, nanos: 500_000_000 })
    for (const text of [
      '2024-01-01T00:00:00z',
      '2024-01-01t00:00:00Z',
      '2024-01-01T00:00Z',
      '2024-01-01T00:00:00+18:30',
    ]) {
      assert.equal(parseInstant(text), undefined, text)
    }
  })
})
