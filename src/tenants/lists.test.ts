/** Pages of tenants, projects and keys, over both databases. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DATABASES } from '../../test/support/databases.ts'
import { makeFakeClock } from '../platform/clock.ts'
import { type CreatedCursor, type PageRead, readPage } from '../platform/http/page.ts'
import { makeIdGenerator } from '../platform/ids.ts'
import { makeTenantService } from './service.ts'

type Named = CreatedCursor & { readonly name: string }
type Read = (filter: PageRead<{ limit: number }>) => Promise<readonly Named[]>

/** The names of each page; a list that never ends fails. */
const walk = async (limit: number, read: Read): Promise<string[][]> => {
  const pages: string[][] = []
  for (let cursor: string | undefined; pages.length < 10; ) {
    const { items, nextCursor } = await readPage({ limit, cursor }, read, ({ name }) => name)
    pages.push(items)
    if (nextCursor === null) return pages
    cursor = nextCursor
  }
  return assert.fail('a list without an end')
}

for (const database of DATABASES) {
  const setUp = async () => {
    const { db } = await database.open()
    const clock = makeFakeClock()
    const tenants = makeTenantService({ db, clock, makeId: makeIdGenerator(), keyCacheMs: 0, keyCacheMax: 10 })
    const { id: tenantId } = await tenants.ensureDefaultTenant()
    return { clock, tenants, tenantId }
  }
  const name = (title: string): string => `lists of tenants on ${database.name}: ${title}`

  test(name('keys come newest first, each once, also those of one millisecond'), async () => {
    const { clock, tenants, tenantId } = await setUp()
    for (const each of ['a', 'b', 'c', 'd', 'e']) {
      if (each === 'd') clock.advance(1)
      await tenants.keys.create({ tenantId, projectId: null, name: each, scopes: ['runs:read'], expiresAtMs: null })
    }
    await tenants.createTenant('other')
    const read: Read = (filter) => tenants.keys.list(tenantId, filter)
    assert.deepEqual(await walk(2, read), [['e', 'd'], ['c', 'b'], ['a']])
    assert.deepEqual(await walk(5, read), [['e', 'd', 'c', 'b', 'a']])
  })

  test(name('a key of a project pages through the keys of its project and of none'), async () => {
    const { tenants, tenantId } = await setUp()
    const [mine, theirs] = [await tenants.createProject(tenantId, 'm'), await tenants.createProject(tenantId, 't')]
    const places = { shared: null, mine: mine.id, theirs: theirs.id, last: mine.id }
    for (const [each, projectId] of Object.entries(places))
      await tenants.keys.create({ tenantId, projectId, name: each, scopes: ['runs:read'], expiresAtMs: null })
    const read: Read = (filter) => tenants.keys.list({ tenantId, projectId: mine.id }, filter)
    assert.deepEqual(await walk(2, read), [['last', 'mine'], ['shared']])
    const projects: Read = (filter) => tenants.projects({ tenantId, projectId: mine.id }, filter)
    assert.deepEqual(await walk(1, projects), [['m']])
  })

  test(name('projects and tenants come newest first, each once'), async () => {
    const { tenants, tenantId } = await setUp()
    for (const each of ['z', 'a', 'm']) {
      await tenants.createProject(tenantId, each)
      await tenants.createTenant(each)
    }
    const { tenant } = await tenants.createTenant('other')
    await tenants.createProject(tenant.id, 'theirs')
    assert.deepEqual(await walk(2, (filter) => tenants.projects(tenantId, filter)), [['m', 'a'], ['z']])
    assert.deepEqual(await walk(2, tenants.tenants), [['other', 'm'], ['a', 'z'], ['default']])
  })
}
