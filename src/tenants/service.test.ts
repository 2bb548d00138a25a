import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DATABASES } from '../../test/support/databases.ts'
import { until } from '../../test/support/until.ts'
import { makeFakeClock } from '../platform/clock.ts'
import { decorateDatabase } from '../platform/db/database.ts'
import { makeIdGenerator } from '../platform/ids.ts'
import { NO_HASH, readKey } from './keys.ts'
import { makeTenantRepository } from './repository.ts'
import { grantsOf, permissionsOf } from './roles.ts'
import { makeTenantService } from './service.ts'

for (const database of DATABASES) {
  const setUp = async () => {
    const { db, hub } = await database.open()
    const clock = makeFakeClock()
    const tenants = makeTenantService({ db, clock, makeId: makeIdGenerator(), keyCacheMs: 1000, keyCacheMax: 10 })
    const tenant = await tenants.ensureDefaultTenant()
    const key = (await tenants.ownerKeys.createFirst(tenant.id)) as string
    return { db, hub, clock, tenants, tenant, key }
  }
  const name = (title: string): string => `tenants on ${database.name}: ${title}`

  test(name('the first start makes a tenant and a key, later ones find them'), async () => {
    const { tenants, tenant, key } = await setUp()
    const principal = await tenants.authenticate(`Bearer ${key}`)
    assert.equal(principal.tenantId, tenant.id)
    assert.deepEqual(await tenants.ensureDefaultTenant(), tenant)
    assert.equal(await tenants.ownerKeys.createFirst(tenant.id), undefined)
  })

  test(name('a key with one character changed is refused'), async () => {
    const { tenants, key } = await setUp()
    const changed = key.slice(0, -1) + (key.endsWith('a') ? 'b' : 'a')
    await assert.rejects(async () => tenants.authenticate(`Bearer ${changed}`), { code: 'unauthenticated' })
    await assert.rejects(async () => tenants.authenticate(key), { code: 'unauthenticated' })
    await assert.rejects(async () => tenants.authenticate(undefined), { code: 'unauthenticated' })
  })

  test(name("a key's secret counts with its own id alone, not with one before or after it"), async () => {
    const { db, tenants, key } = await setUp()
    const { id, secret } = readKey(key)!
    const digits = id.replaceAll('-', '')
    const near = (by: bigint): string => (BigInt(`0x${digits}`) + by).toString(16).padStart(32, '0')
    for (const other of [near(-1n), near(1n), '0'.repeat(32), 'f'.repeat(32)])
      await assert.rejects(async () => tenants.authenticate(`Bearer aidos_${other}_${secret}`), {
        code: 'unauthenticated',
      })
    assert.equal((await tenants.authenticate(`Bearer aidos_${digits}_${secret}`)).keyId, id)
    const { hashesOf } = makeTenantRepository(db.primary)
    const idOf = (text: string): string => readKey(`aidos_${text}_${secret}`)!.id
    assert.deepEqual(await hashesOf(idOf(near(1n))), { hash: NO_HASH, previousHash: NO_HASH })
    assert.notEqual((await hashesOf(id)).hash, NO_HASH)
  })

  test(name('a key expires by the clock, also while it is remembered'), async () => {
    const { tenants, tenant, clock } = await setUp()
    const request = { tenantId: tenant.id, projectId: null, name: 'k', scopes: ['*'], expiresAtMs: clock.now() + 500 }
    const { key } = await tenants.keys.create(request)
    await tenants.authenticate(`Bearer ${key}`)
    clock.advance(499)
    await tenants.authenticate(`Bearer ${key}`)
    clock.advance(1)
    await assert.rejects(async () => tenants.authenticate(`Bearer ${key}`), { code: 'unauthenticated' })
  })

  test(name('a revoked key is refused at once'), async () => {
    const { tenants, tenant } = await setUp()
    const made = await tenants.keys.create({
      tenantId: tenant.id,
      projectId: null,
      name: 'k',
      scopes: ['*'],
      expiresAtMs: null,
    })
    await tenants.authenticate(`Bearer ${made.key}`)
    await tenants.keys.revoke(tenant.id, made.apiKey.id)
    await assert.rejects(async () => tenants.authenticate(`Bearer ${made.key}`), { code: 'unauthenticated' })
  })

  test(name('a key never grants more than its maker may do'), async () => {
    const { tenants, tenant } = await setUp()
    const request = { tenantId: tenant.id, projectId: null, name: 'k', expiresAtMs: null }
    const maker = { permissions: permissionsOf(['runs:read', 'keys:write']), projectId: null }
    await tenants.keys.create({ ...request, scopes: ['runs:read'], maker })
    await assert.rejects(tenants.keys.create({ ...request, scopes: ['runs:*'], maker }), {
      code: 'forbidden',
      message: /runs:write/,
    })
    await assert.rejects(tenants.keys.create({ ...request, scopes: [], role: 'viewer', maker }), { code: 'forbidden' })
    await assert.rejects(tenants.keys.create({ ...request, scopes: ['nonsense'] }), { code: 'scope_unknown' })
  })

  test(name('the secret of a key is nowhere in the database'), async () => {
    const { db, key } = await setUp()
    const rows = await db.primary.withTables<{ api_keys: object }>().selectFrom('api_keys').selectAll().execute()
    assert.equal(rows.length, 1)
    assert.ok(!JSON.stringify(rows).includes(readKey(key)?.secret ?? assert.fail('no key')))
  })

  test(name('a tenant is never made without its first key'), async () => {
    const { db, clock, tenants } = await setUp()
    // The process dies after its first transaction.
    let left = 1
    const dying = decorateDatabase(db, {
      transaction: async (work) => {
        if (left-- > 0) return db.transaction(work)
        throw new Error('died')
      },
    })
    const other = makeTenantService({ db: dying, clock, makeId: makeIdGenerator(), keyCacheMs: 0, keyCacheMax: 10 })
    await other.createTenant('other').catch(() => {})
    const [made] = await tenants.tenants({ limit: 1 })
    assert.equal(made?.name, 'other')
    assert.deepEqual(
      (await tenants.keys.list(made.id, { limit: 10 })).map((key) => [key.name, key.scopes, key.expiresAtMs]),
      [['first key', ['*'], null]],
    )
  })

  test(name('projects and keys of another tenant do not exist'), async () => {
    const { tenants, tenant } = await setUp()
    const { tenant: other } = await tenants.createTenant('other')
    const project = await tenants.createProject(tenant.id, 'p')
    assert.deepEqual(await tenants.projects(other.id, { limit: 10 }), [])
    const request = { tenantId: other.id, projectId: project.id, name: 'k', scopes: ['*'], expiresAtMs: null }
    await assert.rejects(tenants.keys.create(request), { code: 'project_not_found' })
    const [mine] = await tenants.keys.list(tenant.id, { limit: 10 })
    await assert.rejects(tenants.keys.revoke(other.id, mine?.id as string), { code: 'key_not_found' })
    await assert.rejects(tenants.createTenant('other'), { code: 'tenant_exists' })
    await assert.rejects(tenants.createProject(tenant.id, 'p'), { code: 'project_exists' })
  })

  test(name('a rotated key counts with both secrets until the grace is over'), async () => {
    const { tenants, tenant, clock } = await setUp()
    const request = { tenantId: tenant.id, projectId: null, name: 'k', scopes: ['runs:read'], expiresAtMs: null }
    const { apiKey, key: first } = await tenants.keys.create(request)
    const { key: second } = await tenants.keys.rotate(tenant.id, apiKey.id, 10_000)
    const idOf = async (key: string) => (await tenants.authenticate(`Bearer ${key}`)).keyId
    assert.deepEqual([await idOf(first), await idOf(second)], [apiKey.id, apiKey.id])
    clock.advance(9999)
    assert.equal(await idOf(first), apiKey.id)
    clock.advance(1)
    await assert.rejects(idOf(first), { code: 'unauthenticated' })
    assert.equal(await idOf(second), apiKey.id)
    const { key: third } = await tenants.keys.rotate(tenant.id, apiKey.id, 0)
    await assert.rejects(idOf(second), { code: 'unauthenticated' })
    await tenants.keys.revoke(tenant.id, apiKey.id)
    await assert.rejects(idOf(third), { code: 'unauthenticated' })
    await assert.rejects(tenants.keys.rotate(tenant.id, apiKey.id, 0), { code: 'key_ended' })
  })

  test(name('a key can be rotated only by who has what it grants'), async () => {
    const { tenants, tenant } = await setUp()
    const request = { tenantId: tenant.id, projectId: null, name: 'k', scopes: ['*'], expiresAtMs: null }
    const { apiKey } = await tenants.keys.create(request)
    const maker = { permissions: permissionsOf(['keys:write']), projectId: null }
    await assert.rejects(tenants.keys.rotate(tenant.id, apiKey.id, 0, maker), { code: 'forbidden' })
  })

  test(name('a key with a role may do what the table says of the role'), async () => {
    const { tenants, tenant } = await setUp()
    const request = { tenantId: tenant.id, projectId: null, name: 'k', scopes: [], expiresAtMs: null }
    const { key } = await tenants.keys.create({ ...request, role: 'operator' })
    const principal = await tenants.authenticate(`Bearer ${key}`)
    assert.deepEqual(principal.permissions, grantsOf('operator'))
    assert.equal(principal.role, 'operator')
  })

  test(name('a key that is bound to a project makes keys for that project alone'), async () => {
    const { tenants, tenant } = await setUp()
    const { id: projectId } = await tenants.createProject(tenant.id, 'p')
    const maker = { permissions: permissionsOf(['*']), projectId }
    const request = { tenantId: tenant.id, name: 'k', scopes: ['runs:read'], expiresAtMs: null, maker }
    await assert.rejects(tenants.keys.create({ ...request, projectId: null }), { code: 'project_not_allowed' })
    assert.equal((await tenants.keys.create({ ...request, projectId })).apiKey.projectId, projectId)
  })

  test(name('a key revoked by another process is refused here after five seconds at the latest'), async () => {
    const { db, clock, tenant, key } = await setUp()
    const options = { db, clock, makeId: makeIdGenerator(), keyCacheMs: 3_600_000, keyCacheMax: 10 }
    const [here, there] = [makeTenantService(options), makeTenantService(options)]
    const { keyId } = await here.authenticate(`Bearer ${key}`)
    await there.keys.revoke(tenant.id, keyId)
    clock.advance(5000)
    await assert.rejects(async () => here.authenticate(`Bearer ${key}`), { code: 'unauthenticated' })
  })

  test(name('a key revoked by another process is refused here as soon as word of it comes'), async () => {
    const { db, hub, clock, tenant, key } = await setUp()
    const options = { db, clock, makeId: makeIdGenerator(), keyCacheMs: 3_600_000, keyCacheMax: 10 }
    const [here, there] = [makeTenantService({ ...options, hub }), makeTenantService(options)]
    const { keyId } = await here.authenticate(`Bearer ${key}`)
    await there.keys.revoke(tenant.id, keyId)
    await assert.rejects(async () => here.authenticate(`Bearer ${key}`), { code: 'unauthenticated' })
    here.stop()
  })

  test(name('the last use of a key is noted, once a minute at most'), async () => {
    const { tenants, tenant, clock, key } = await setUp()
    const noted = (atMs: number): Promise<true> =>
      until(
        `the use at ${atMs}`,
        async () => (await tenants.keys.list(tenant.id, { limit: 10 }))[0]?.lastUsedAtMs === atMs,
      )
    const firstMs = clock.now()
    await tenants.authenticate(`Bearer ${key}`)
    await noted(firstMs)
    clock.advance(59_999)
    await tenants.authenticate(`Bearer ${key}`)
    // A later write would have come before this one: the database takes them in order.
    await tenants.createProject(tenant.id, 'p')
    await noted(firstMs)
    clock.advance(1)
    await tenants.authenticate(`Bearer ${key}`)
    await noted(firstMs + 60_000)
  })
}
