import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeIdGenerator } from './ids.ts'

test('ids are version 7 UUIDs that rise strictly, within one millisecond and when the clock goes back', () => {
  let nowMs = 1_795_356_186_053
  const makeId = makeIdGenerator(() => nowMs)
  const ids = Array.from({ length: 10_000 }, (_, i) => {
    if (i === 5000) nowMs -= 1000
    return makeId()
  })
  for (const id of ids) assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  assert.deepEqual(ids, ids.toSorted())
  assert.equal(new Set(ids).size, ids.length)
  assert.equal(Number.parseInt((ids[0] as string).replaceAll('-', '').slice(0, 12), 16), 1_795_356_186_053)
})
