import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { before, test } from 'node:test'
import { wholeFile } from '../../test/support/cleanup.ts'
import { makeTempFolder } from '../../test/support/temp-folder.ts'
import { startTestApp, type TestApp } from './testing.ts'

let app: TestApp
let dataDir: string

before(async () => {
  dataDir = path.join(await makeTempFolder(), 'data')
  app = await startTestApp(dataDir)
  wholeFile.after(() => app.stop())
})

const json = async (argv: readonly string[], stdin?: string) => {
  const { status, stdout, stderr } = await app.cli([...argv, '--json'], stdin === undefined ? {} : { stdin })
  assert.equal(status, 0, stderr)
  return JSON.parse(stdout)
}

test('aidos secrets stores a value from standard input, lists its name and removes it', async () => {
  const made = await app.cli(['secrets', 'set', 'STRIPE', '--host', 'api.stripe.com'], { stdin: 'sk_geheim\n' })
  assert.deepEqual([made.status, made.stdout], [0, 'STRIPE is stored, version 1\n'])
  const list = await app.cli(['secrets'])
  assert.match(list.stdout, /STRIPE +– +1 +api\.stripe\.com/)
  assert.doesNotMatch(list.stdout + made.stdout, /geheim/)
  assert.equal((await app.cli(['secrets', 'remove', 'STRIPE'])).status, 0)
  assert.equal((await app.cli(['secrets', 'remove', 'STRIPE'])).status, 1)
})

test('aidos secrets rotate --new-key changes the key of a running server, and leaves no old one behind', async () => {
  await json(['secrets', 'set', 'A'], 'geheim')
  const file = path.join(dataDir, 'secret.key')
  const before = readFileSync(file, 'utf8')
  const rotated = await json(['secrets', 'rotate', '--new-key'])
  assert.deepEqual([rotated.resealed, rotated.dropped], [{ secrets: 1, channels: 0 }, 1])
  const after = readFileSync(file, 'utf8')
  assert.equal(after.trim().split('\n').length, 1)
  assert.notEqual(after, before)
  assert.deepEqual((await json(['secrets', 'rotate'])).resealed, { secrets: 0, channels: 0 })
})

test('aidos secrets rotate --new-key says what to do where the key is a setting', async () => {
  const { status, stderr } = await app.cli(['secrets', 'rotate', '--new-key'], { env: { AIDOS_SECRET_KEY: 'x' } })
  assert.notEqual(status, 0)
  assert.match(stderr, /put a new one before it/)
})

test('aidos keys makes a key with a role, and rotates it with both secrets good meanwhile', async () => {
  const made = await json(['keys', 'create', 'watcher', '--role', 'viewer'])
  assert.deepEqual([made.role, made.scopes], ['viewer', []])
  const rotated = await json(['keys', 'rotate', made.id, '--keep-old', '1'])
  for (const key of [made.key, rotated.key])
    assert.equal((await app.cli(['runs', '--key', key, '--url', app.url!])).status, 0)
  const again = await json(['keys', 'rotate', made.id, '--keep-old', '0'])
  const status = async (key: string) => (await app.cli(['runs', '--key', key, '--url', app.url!])).status
  assert.deepEqual([await status(made.key), await status(rotated.key), await status(again.key)], [1, 1, 0])
})

test('aidos whoami tells of the key in use: its tenant, and what it may do', async () => {
  const key = await json(['keys', 'create', 'reader', '--role', 'viewer'])
  const session = await json(['whoami', '--key', key.key, '--url', app.url!])
  const mine = await json(['whoami'])
  assert.deepEqual([session.id, session.name, session.role], [key.id, 'reader', 'viewer'])
  assert.equal(session.tenantId, mine.tenantId)
  assert.ok(session.permissions.includes('runs:read') && !session.permissions.includes('runs:write'))
  const { stdout } = await app.cli(['whoami', '--key', key.key, '--url', app.url!])
  assert.match(stdout, new RegExp(`tenant +${mine.tenantId}\n`))
  assert.match(stdout, /role +viewer\nmay +.*runs:read/)
})

test('aidos keys shows a page, and where the next one begins', async () => {
  for (const name of ['page-1', 'page-2']) await json(['keys', 'create', name, '--role', 'viewer'])
  const first = await json(['keys', '--limit', '1'])
  assert.deepEqual([first.items.length, first.items[0].name], [1, 'page-2'])
  const second = await json(['keys', 'list', '--limit', '1', '--cursor', first.nextCursor])
  assert.equal(second.items[0].name, 'page-1')
  assert.match((await app.cli(['keys', '--limit', '1'])).stdout, /--cursor \w+/)
})
