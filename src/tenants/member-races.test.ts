import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeBetween } from '../../test/support/between.ts'
import { DATABASES } from '../../test/support/databases.ts'
import { makeFakeClock } from '../platform/clock.ts'
import { makeIdGenerator } from '../platform/ids.ts'
import { grantsOf } from './roles.ts'
import { makeTenantService } from './service.ts'

const FROM = { address: '127.0.0.1', userAgent: 'test' }

for (const database of DATABASES) {
  const setUp = async () => {
    const { db, meanwhile } = makeBetween((await database.open()).db)
    const tenants = makeTenantService({
      ...{ db, clock: makeFakeClock(), makeId: makeIdGenerator(), keyCacheMs: 0, keyCacheMax: 10 },
      cookies: { origin: 'https://aidos.example.org' },
    })
    const { id: tenantId } = await tenants.ensureDefaultTenant()
    const { members } = tenants
    await members.create(tenantId, { email: 'owner@example.org', role: 'owner' })
    const ada = await members.create(tenantId, { email: 'ada@example.org', role: 'admin' })
    const signIn = async (subject: string) => members.signIn(await members.find(tenantId, ada.id), { subject }, FROM)
    return {
      ...{ members, tenantId, id: ada.id, signIn },
      meanwhile,
    }
  }
  const name = (title: string): string => `members on ${database.name}: ${title}`

  test(name('who is disabled or removed while signing in does not come in'), async () => {
    const { members, tenantId, id, signIn, meanwhile } = await setUp()
    meanwhile(() => members.update(tenantId, id, { status: 'disabled' }))
    await assert.rejects(signIn('a|1'), { code: 'forbidden' })
    assert.deepEqual(await members.find(tenantId, id).then(({ status, subject }) => [status, subject]), [
      'disabled',
      null,
    ])
    await members.update(tenantId, id, { status: 'active' })
    meanwhile(() => members.remove(tenantId, id))
    await assert.rejects(signIn('a|1'), { code: 'forbidden' })
  })

  test(name('of two who sign in as the same invitation at once one comes in'), async () => {
    const { members, tenantId, id, signIn, meanwhile } = await setUp()
    meanwhile(() => signIn('a|1'))
    await assert.rejects(signIn('a|2'), { code: 'forbidden' })
    assert.equal((await members.find(tenantId, id)).subject, 'a|1')
  })

  test(name('a change leaves alone what another one, or a sign-in, has changed meanwhile'), async () => {
    const { members, tenantId, id, signIn, meanwhile } = await setUp()
    meanwhile(() => members.update(tenantId, id, { role: 'viewer' }))
    assert.equal((await members.update(tenantId, id, { name: 'Ada' })).role, 'viewer')
    meanwhile(() => signIn('a|1'))
    await members.update(tenantId, id, { name: 'Ada L' })
    meanwhile(() => members.update(tenantId, id, { name: 'Lovelace' }))
    await signIn('a|1')
    const { name, role, subject } = await members.find(tenantId, id)
    assert.deepEqual([name, role, subject], ['Lovelace', 'viewer', 'a|1'])
  })

  test(name('who became an owner meanwhile is not touched by an admin'), async () => {
    const { members, tenantId, id, meanwhile } = await setUp()
    const admin = { permissions: grantsOf('admin') }
    meanwhile(() => members.update(tenantId, id, { role: 'owner' }))
    await assert.rejects(members.update(tenantId, id, { role: 'viewer' }, admin), { code: 'forbidden' })
    await members.update(tenantId, id, { role: 'viewer' })
    meanwhile(() => members.update(tenantId, id, { role: 'owner' }))
    await assert.rejects(members.remove(tenantId, id, admin), { code: 'forbidden' })
  })
}
