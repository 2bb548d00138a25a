import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { makeTempFolder } from '../../test/support/temp-folder.ts'
import type { CommandSink } from '../engine/index.ts'
import type { JsonObject } from '../platform/json.ts'
import { readItems } from './map-items.ts'
import { makeLocalStore } from './map-local.ts'
import { readerFailed, readPlace } from './map-store.ts'

test('readItems() refuses compressed files rather than take their bytes for text', async (t) => {
  const file = path.join(await makeTempFolder(t), 'items.csv.gz')
  const config = { InputType: 'CSV', CSVHeaderLocation: 'GIVEN', CSVHeaders: ['a'] }
  const read = () => readItems({ file, config, at: 'items.csv.gz', onEnd: () => {} }).page(0, 10)
  fs.writeFileSync(file, gzipSync('1\n2\n'))
  await assert.rejects(read, { error: 'States.ItemReaderFailed', message: /items\.csv\.gz is compressed/ })
  fs.writeFileSync(file, Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 1, 2]))
  await assert.rejects(read, { error: 'States.ItemReaderFailed' })
  fs.writeFileSync(file, '1\n2\n')
  assert.deepEqual(await read(), [{ a: '1' }, { a: '2' }])
})

test('files refuse to be read in a version, rather than give what they hold now', async () => {
  const store = makeLocalStore({} as CommandSink, () => '/')
  for (const parameters of [
    { Bucket: 'b', Key: 'k', VersionId: 'v1' },
    { path: 'b/k', VersionId: 'v1' },
  ] as JsonObject[]) {
    const place = readPlace(parameters, 'Key', readerFailed)
    const read = store.fetch(place, { key: 'k', signal: new AbortController().signal })
    await assert.rejects(read, { error: 'States.ItemReaderFailed', message: /VersionId/ })
  }
})

test('readPlace() refuses a version that nothing would look at', () => {
  for (const [parameters, field] of [
    [{ Bucket: 'b', Key: 'k', VersionId: 7 }, 'Key'],
    [{ Bucket: 'b', Prefix: 'k', VersionId: 'v1' }, 'Prefix'],
  ] as const) {
    assert.throws(() => readPlace(parameters, field, readerFailed), {
      error: 'States.ItemReaderFailed',
      message: /VersionId/,
    })
  }
})
