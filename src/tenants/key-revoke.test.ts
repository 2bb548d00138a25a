import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DATABASES } from '../../test/support/databases.ts'
import { makeFakeClock } from '../platform/clock.ts'
import { makeIdGenerator } from '../platform/ids.ts'
import { permissionsOf } from './roles.ts'
import { makeTenantService } from './service.ts'

for (const database of DATABASES) {
  test(`tenants on ${database.name}: nobody revokes a key that may do more than they`, async () => {
    const { db } = await database.open()
    const clock = makeFakeClock()
    const tenants = makeTenantService({ db, clock, makeId: makeIdGenerator(), keyCacheMs: 0, keyCacheMax: 10 })
    const { id: tenantId } = await tenants.ensureDefaultTenant()
    const made = async (...scopes: string[]) =>
      tenants.keys.create({ tenantId, projectId: null, name: 'k', scopes, expiresAtMs: null })
    const [owners, keeper, reader] = [await made('*'), await made('keys:*', 'runs:read'), await made('runs:read')]
    const maker = { permissions: permissionsOf(['keys:*', 'runs:read']), projectId: null }
    await assert.rejects(tenants.keys.revoke(tenantId, owners.apiKey.id, maker), { code: 'forbidden' })
    await tenants.authenticate(`Bearer ${owners.key}`)
    for (const { apiKey } of [reader, keeper])
      assert.notEqual((await tenants.keys.revoke(tenantId, apiKey.id, maker)).revokedAtMs, null)
  })
}
