import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DATABASES } from '../../test/support/databases.ts'
import { makeFakeClock } from '../platform/clock.ts'
import { makeIdGenerator } from '../platform/ids.ts'
import type { Claims } from './claims.ts'
import type { Oidc } from './oidc.ts'
import type { Role } from './roles.ts'
import { makeTenantService } from './service.ts'

const ISSUER = 'https://id.example.org'
const FROM = { address: '127.0.0.1', userAgent: 'test' }

for (const database of DATABASES) {
  /** Strangers become developers; the provider says of everybody who comes what `claimsOf` says. */
  const setUp = async () => {
    const { db } = await database.open()
    const clock = makeFakeClock()
    let came: { claims: Claims; tenant?: string } = { claims: {} }
    const oidc = { finish: async () => ({ ...came, returnTo: '/' }) } as unknown as Oidc
    const cookies = { origin: 'https://aidos.example.org' }
    const claimNames = { tenant: '', role: 'roles', member: 'sub' }
    const options = {
      keyCacheMs: 1000,
      keyCacheMax: 10,
      cookies,
      oidc,
      claimNames,
      newMemberRole: 'developer',
    } as const
    const tenants = makeTenantService({ db, clock, makeId: makeIdGenerator(), ...options })
    const tenant = await tenants.ensureDefaultTenant()
    const finish = (name: string, wanted?: string, roles?: readonly Role[]) => {
      const claims = { iss: ISSUER, sub: name, email: `${name}@example.org`, email_verified: true, roles }
      came = { claims, ...(wanted && { tenant: wanted }) }
      return tenants.signIn.finish('?', undefined, FROM)
    }
    const come = async (name: string, wanted?: string) => (await finish(name, wanted)).member
    const comeAs = (name: string, role: Role) => finish(name, undefined, [role])
    const roleOf = async (id: string): Promise<Role> => (await tenants.members.find(tenant.id, id)).role
    return { tenants, tenant, come, comeAs, roleOf }
  }
  const name = (title: string): string => `signing in on ${database.name}: ${title}`

  test(name('a stranger gets the role of new members, once'), async () => {
    const { tenants, tenant, come, roleOf } = await setUp()
    const { id } = await come('ada')
    assert.equal(await roleOf(id), 'developer')
    await tenants.members.update(tenant.id, id, { role: 'viewer' })
    assert.equal((await come('ada')).id, id)
    assert.equal(await roleOf(id), 'viewer')
  })

  test(name('asking for a tenant that is not theirs gives nobody the role of new members'), async () => {
    const { tenants, tenant, come, roleOf } = await setUp()
    const create = (who: string, role: Role) => tenants.members.create(tenant.id, { email: `${who}@example.org`, role })
    const [owner, viewer] = [await create('owner', 'owner'), await create('viewer', 'viewer')]
    for (const wanted of [undefined, 'nowhere']) {
      await come('owner', wanted)
      await come('viewer', wanted)
      assert.deepEqual([await roleOf(owner.id), await roleOf(viewer.id)], ['owner', 'viewer'], String(wanted))
    }
  })

  test(name('the role that the provider names counts, but takes no tenant its last owner'), async () => {
    const { tenants, tenant, comeAs, roleOf } = await setUp()
    const invite = (who: string) => tenants.members.create(tenant.id, { email: `${who}@example.org`, role: 'owner' })
    const [ada, bob] = [await invite('ada'), await invite('bob')]
    const first = await comeAs('ada', 'viewer')
    assert.deepEqual([await roleOf(ada.id), first.refusedRole], ['viewer', undefined])
    const last = await comeAs('bob', 'viewer')
    assert.deepEqual([await roleOf(bob.id), last.refusedRole], ['owner', 'viewer'])
    assert.equal((await comeAs('bob', 'owner')).refusedRole, undefined)
    // A disabled owner is none that could sign in.
    await tenants.members.update(tenant.id, ada.id, { role: 'owner', status: 'disabled' })
    assert.equal((await comeAs('bob', 'admin')).refusedRole, 'admin')
    await tenants.members.update(tenant.id, ada.id, { status: 'active' })
    const both = await Promise.all([comeAs('ada', 'viewer'), comeAs('bob', 'viewer')])
    assert.deepEqual([await roleOf(ada.id), await roleOf(bob.id)].toSorted(), ['owner', 'viewer'])
    assert.deepEqual(both.map(({ refusedRole }) => refusedRole ?? 'given').toSorted(), ['given', 'viewer'])
  })

  test(name('somebody of two tenants keeps the role in each'), async () => {
    const { tenants, tenant, come, roleOf } = await setUp()
    const { tenant: other } = await tenants.createTenant('other')
    const owner = await tenants.members.create(tenant.id, { email: 'both@example.org', role: 'owner' })
    await tenants.members.create(other.id, { email: 'both@example.org', role: 'viewer' })
    await come('both')
    assert.equal(await roleOf(owner.id), 'owner')
  })
}
