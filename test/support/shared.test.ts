import assert from 'node:assert/strict'
import path from 'node:path'
import { test } from 'node:test'
import { skipUnlessShared } from './shared.ts'
import { makeTempFolder } from './temp-folder.ts'

test('skipUnlessShared() answers with the path of what is there', async (t) => {
  const folder = await makeTempFolder(t)
  const skip = t.mock.fn()
  assert.equal(skipUnlessShared({ skip }, '', folder), folder)
  assert.equal(skip.mock.callCount(), 0)
})

test('skipUnlessShared() skips the test, and says what is missing', async (t) => {
  const folder = await makeTempFolder(t)
  const skip = t.mock.fn((_why?: string) => {})
  assert.equal(skipUnlessShared({ skip }, 'asl-cases', folder), undefined)
  assert.match(String(skip.mock.calls[0]?.arguments[0]), new RegExp(`needs ..${path.sep}shared${path.sep}asl-cases`))
})
