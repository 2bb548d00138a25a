import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { makeTempFolder } from '../../test/support/temp-folder.ts'
import { makeFilesRoot } from './files-root.ts'

const dataDir = await makeTempFolder()
const PROJECT = '019a0000-0000-7000-8000-000000000001'

test('each tenant has a folder, and each project one below its own', () => {
  const rootOf = makeFilesRoot({ dataDir, configured: join(dataDir, 'set'), operatorId: () => 'operator' })
  const below = (...parts: string[]): string => join(dataDir, ...parts)
  assert.equal(rootOf({ tenantId: 'operator', projectId: null }), below('set'))
  assert.equal(rootOf({ tenantId: 'operator', projectId: PROJECT }), below('set', 'projects', PROJECT))
  assert.equal(rootOf({ tenantId: 'other', projectId: null }), below('tenants', 'other', 'files'))
  const folder = rootOf({ tenantId: 'other', projectId: PROJECT })
  assert.equal(folder, below('tenants', 'other', 'files', 'projects', PROJECT))
  assert.ok(existsSync(folder))
})

test('an id that is no name of a folder opens none', () => {
  const rootOf = makeFilesRoot({ dataDir, configured: '', operatorId: () => undefined })
  for (const id of ['', '.', '..', '../x', 'a/b', 'a\\b', 'a\0b']) {
    assert.throws(() => rootOf({ tenantId: 'tenant', projectId: id }), /no name of a folder/, id)
    assert.throws(() => rootOf({ tenantId: id, projectId: null }), /no name of a folder/, id)
  }
})
