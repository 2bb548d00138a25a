import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DATABASES } from '../../test/support/databases.ts'
import { makeFakeClock } from '../platform/clock.ts'
import { makeIdGenerator } from '../platform/ids.ts'
import { makeTenantService, permissionsOf } from './service.ts'

for (const database of DATABASES) {
  const setUp = async () => {
    const { db } = await database.open()
    const clock = makeFakeClock()
    const tenants = makeTenantService({ db, clock, makeId: makeIdGenerator(), keyCacheMs: 1000, keyCacheMax: 10 })
    const { tenant, key } = await tenants.ensureDefaultTenant()
    return { db, clock, tenants, tenant, key: key as string }
  }
  const name = (title: string): string => `tenants on ${database.name}: ${title}`

  test(name('the first start makes a tenant and a key, later ones find them'), async () => {
    const { tenants, tenant, key } = await setUp()
    const principal = await tenants.authenticate(`Bearer ${key}`)
    assert.equal(principal.tenantId, tenant.id)
    const again = await tenants.ensureDefaultTenant()
    assert.deepEqual(again, { tenant })
  })

  test(name('a key with one character changed is refused'), async () => {
    const { tenants, key } = await setUp()
    const changed = key.slice(0, -1) + (key.endsWith('a') ? 'b' : 'a')
    await assert.rejects(async () => tenants.authenticate(`Bearer ${changed}`), { code: 'unauthenticated' })
    await assert.rejects(async () => tenants.authenticate(key), { code: 'unauthenticated' })
    await assert.rejects(async () => tenants.authenticate(undefined), { code: 'unauthenticated' })
  })

  test(name('a key expires by the clock, also while it is remembered'), async () => {
    const { tenants, tenant, clock } = await setUp()
    const request = { tenantId: tenant.id, projectId: null, name: 'k', scopes: ['*'], expiresAtMs: clock.now() + 500 }
    const { key } = await tenants.createKey(request)
    await tenants.authenticate(`Bearer ${key}`)
    clock.advance(499)
    await tenants.authenticate(`Bearer ${key}`)
    clock.advance(1)
    await assert.rejects(async () => tenants.authenticate(`Bearer ${key}`), { code: 'unauthenticated' })
  })

  test(name('a revoked key is refused at once'), async () => {
    const { tenants, tenant } = await setUp()
    const made = await tenants.createKey({
      tenantId: tenant.id,
      projectId: null,
      name: 'k',
      scopes: ['*'],
      expiresAtMs: null,
    })
    await tenants.authenticate(`Bearer ${made.key}`)
    await tenants.revokeKey(tenant.id, made.apiKey.id)
    await assert.rejects(async () => tenants.authenticate(`Bearer ${made.key}`), { code: 'unauthenticated' })
  })

  test(name('a key never grants more than its maker may do'), async () => {
    const { tenants, tenant } = await setUp()
    const request = { tenantId: tenant.id, projectId: null, name: 'k', expiresAtMs: null }
    const grantable = permissionsOf(['runs:read', 'keys:write'])
    await tenants.createKey({ ...request, scopes: ['runs:read'], grantable })
    await assert.rejects(tenants.createKey({ ...request, scopes: ['runs:*'], grantable }), {
      code: 'forbidden',
      message: /runs:write/,
    })
    await assert.rejects(tenants.createKey({ ...request, scopes: ['nonsense'] }), { code: 'scope_unknown' })
  })

  test(name('the secret of a key is nowhere in the database'), async () => {
    const { db, key } = await setUp()
    const rows = await db.primary.withTables<{ api_keys: object }>().selectFrom('api_keys').selectAll().execute()
    assert.equal(rows.length, 1)
    assert.ok(!JSON.stringify(rows).includes(key.split('_')[2] as string))
  })

  test(name('projects and keys of another tenant do not exist'), async () => {
    const { tenants, tenant } = await setUp()
    const { tenant: other } = await tenants.createTenant('other')
    const project = await tenants.createProject(tenant.id, 'p')
    assert.deepEqual(await tenants.projects(other.id), [])
    const request = { tenantId: other.id, projectId: project.id, name: 'k', scopes: ['*'], expiresAtMs: null }
    await assert.rejects(tenants.createKey(request), { code: 'project_not_found' })
    const [mine] = await tenants.keys(tenant.id)
    await assert.rejects(tenants.revokeKey(other.id, mine?.id as string), { code: 'key_not_found' })
    await assert.rejects(tenants.createTenant('other'), { code: 'tenant_exists' })
    await assert.rejects(tenants.createProject(tenant.id, 'p'), { code: 'project_exists' })
  })
}
