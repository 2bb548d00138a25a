import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { makeTempFolder } from '../../test/support/temp-folder.ts'
import { addSecretKey, dropOldSecretKeys, embeddedKeyFile, makeSecretKeyReader } from './secret-key.ts'

const nothing = { configured: '', file: '', isEmbedded: true }
const base64 = (key: Buffer): string => key.toString('base64')

test('a key is made once beside the embedded database, and must be set elsewhere', async () => {
  const dataDir = await makeTempFolder()
  const [first] = makeSecretKeyReader({ ...nothing, dataDir })()
  assert.equal(first?.length, 32)
  assert.deepEqual(makeSecretKeyReader({ ...nothing, dataDir })(), [first])
  assert.equal(statSync(embeddedKeyFile(dataDir)).mode & 0o777, 0o600)
  assert.throws(() => makeSecretKeyReader({ ...nothing, dataDir, isEmbedded: false }), {
    message: /AIDOS_SECRET_KEY is not set/,
  })
})

test('keys come from the configuration or from a file, the first one first', async () => {
  const dataDir = await makeTempFolder()
  const [one, two] = [randomBytes(32), randomBytes(32)]
  const configured = `${base64(one)}, ${base64(two)}`
  assert.deepEqual(makeSecretKeyReader({ ...nothing, dataDir, configured })(), [one, two])
  const file = join(dataDir, 'keys')
  writeFileSync(file, `${base64(two)}\n\n${base64(one)}\n`)
  assert.deepEqual(makeSecretKeyReader({ ...nothing, dataDir, file })(), [two, one])
})

test('a wrong key, a missing file and two sources are named', async () => {
  const dataDir = await makeTempFolder()
  const read = (given: object) => makeSecretKeyReader({ ...nothing, dataDir, ...given })()
  assert.throws(() => read({ configured: 'short' }), { message: /AIDOS_SECRET_KEY is no key: 32 bytes as base64/ })
  assert.throws(() => read({ file: join(dataDir, 'nowhere') }), { message: /nowhere cannot be read/ })
  assert.throws(() => read({ file: 'a', configured: 'b' }), { message: /both set/ })
})

test('a new key is put first, and the old ones leave when they are not needed', async () => {
  const dataDir = await makeTempFolder()
  const read = makeSecretKeyReader({ ...nothing, dataDir })
  const [before] = read()
  const file = embeddedKeyFile(dataDir)
  assert.equal(addSecretKey(file), 2)
  const [after, old] = read()
  assert.deepEqual(old, before)
  assert.notDeepEqual(after, before)
  assert.equal(dropOldSecretKeys(file), 1)
  assert.deepEqual(read(), [after])
  assert.equal(statSync(file).mode & 0o777, 0o600)
  assert.equal(readFileSync(file, 'utf8').trim().split('\n').length, 1)
})
