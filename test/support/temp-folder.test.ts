import assert from 'node:assert/strict'
import { existsSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { makeTempFolder } from './temp-folder.ts'

test('makeTempFolder() gives a folder of its own that goes with the test', async (t) => {
  let folder = ''
  await t.test('in the test', async (inner) => {
    folder = await makeTempFolder(inner)
    assert.notEqual(await makeTempFolder(inner), folder)
    writeFileSync(path.join(folder, 'file'), 'x')
  })
  assert.notEqual(folder, '')
  assert.equal(existsSync(folder), false)
})
