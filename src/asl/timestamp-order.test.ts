import assert from 'node:assert/strict'
import { test } from 'node:test'
import { COMPARE_OPERATORS } from './choice-operators.ts'

const compare = (operator: string, value: string, operand: string): boolean =>
  COMPARE_OPERATORS.get(operator)!.compare(value, operand)

test('comparisons of timestamps tell nanoseconds apart', () => {
  const early = '2026-01-01T00:00:00.000000001Z'
  const late = '2026-01-01T02:00:00.000000002+02:00'
  assert.equal(compare('TimestampEquals', early, late), false)
  assert.equal(compare('TimestampLessThan', early, late), true)
  assert.equal(compare('TimestampGreaterThanEquals', early, late), false)
  assert.equal(
    compare('TimestampGreaterThan', '1969-12-31T23:59:59.000000002Z', '1969-12-31T23:59:59.000000001Z'),
    true,
  )
})

test('comparisons of timestamps do not look at how many digits a fraction has', () => {
  assert.equal(compare('TimestampEquals', '2026-01-01T00:00:00.5Z', '2026-01-01T00:00:00.500000000Z'), true)
  assert.equal(compare('TimestampEquals', '2026-01-01T00:00:00Z', '2026-01-01T00:00:00.000Z'), true)
})

test('comparisons of timestamps know the first century', () => {
  assert.equal(compare('TimestampLessThan', '0001-01-01T00:00:00Z', '1900-01-01T00:00:00Z'), true)
})
