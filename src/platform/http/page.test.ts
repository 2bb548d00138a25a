import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readCursor, toPage } from './page.ts'

const cursorOf = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

test('readCursor() reads what toPage() gave', () => {
  const rows = [
    { createdAtMs: 2, id: '01a2-b' },
    { createdAtMs: 1, id: '01a2-a' },
  ]
  const { nextCursor } = toPage(rows, 1, (row) => row)
  assert.deepEqual(readCursor(nextCursor ?? ''), rows[0])
})

for (const value of [{ a: 1 }, null, 7, [], [1.5, 'x'], [1e300, 'x'], [1, 'a\u0000b'], [1, ''], [1, 'é'], ['1', 'x']]) {
  test(`readCursor() refuses ${JSON.stringify(value)}, which no page gave`, () => {
    assert.throws(() => readCursor(cursorOf(value)), { code: 'cursor_invalid' })
  })
}
