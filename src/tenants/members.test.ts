import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DATABASES } from '../../test/support/databases.ts'
import { makeFakeClock } from '../platform/clock.ts'
import { makeIdGenerator } from '../platform/ids.ts'
import { writeCookie } from './cookies.ts'
import { safePath } from './oidc.ts'
import { grantsOf, type Role } from './roles.ts'
import { makeTenantService } from './service.ts'

const HOUR_MS = 3_600_000

for (const database of DATABASES) {
  const setUp = async () => {
    const { db } = await database.open()
    const clock = makeFakeClock()
    const cookies = { origin: 'https://aidos.example.org' }
    const options = { keyCacheMs: 1000, keyCacheMax: 10, sessionMs: HOUR_MS, cookies }
    const tenants = makeTenantService({ db, clock, makeId: makeIdGenerator(), ...options })
    const tenant = await tenants.ensureDefaultTenant()
    const { members } = tenants
    const as = (role: Role) => ({ permissions: grantsOf(role) })
    const invite = (email: string, role: Role) => members.create(tenant.id, { email, role })
    const from = { address: '127.0.0.1', userAgent: 'test' }
    const signIn = async (id: string) =>
      members.signIn(await members.find(tenant.id, id), { subject: `issuer|${id}` }, from)
    const byCookie = async (token: string, headers: Record<string, string> = {}, method = 'GET') =>
      tenants.authenticate(undefined, { method, headers: { cookie: `a=b; __Host-aidos_session=${token}`, ...headers } })
    return { db, clock, tenants, tenant, members, as, invite, signIn, byCookie }
  }
  const name = (title: string): string => `members on ${database.name}: ${title}`

  test(name('a person is known once in a tenant, whatever the letters of the address'), async () => {
    const { tenants, invite, members } = await setUp()
    const member = await invite('Ada@Example.org', 'viewer')
    assert.equal(member.email, 'ada@example.org')
    await assert.rejects(invite('ada@example.org', 'viewer'), { code: 'member_exists' })
    const { tenant: other } = await tenants.createTenant('other')
    await members.create(other.id, { email: 'ada@example.org', role: 'viewer' })
    await assert.rejects(members.find(other.id, member.id), { code: 'member_not_found' })
    assert.equal((await members.list(other.id, { limit: 10 })).length, 1)
  })

  test(name('nobody gives a role with more than their own, and only owners touch owners'), async () => {
    const { tenant, members, as, invite } = await setUp()
    const owner = await invite('owner@example.org', 'owner')
    await invite('second@example.org', 'owner')
    const viewer = await invite('viewer@example.org', 'viewer')
    const admin = as('admin')
    await assert.rejects(members.create(tenant.id, { email: 'x@example.org', role: 'owner' }, admin), {
      code: 'forbidden',
    })
    await assert.rejects(members.update(tenant.id, viewer.id, { role: 'owner' }, admin), { code: 'forbidden' })
    await assert.rejects(members.update(tenant.id, owner.id, { role: 'viewer' }, admin), { code: 'forbidden' })
    await assert.rejects(members.remove(tenant.id, owner.id, admin), { code: 'forbidden' })
    assert.equal((await members.update(tenant.id, viewer.id, { role: 'admin' }, admin)).role, 'admin')
    assert.equal((await members.update(tenant.id, owner.id, { role: 'viewer' }, as('owner'))).role, 'viewer')
  })

  test(name('the last active owner stays one'), async () => {
    const { tenant, members, invite } = await setUp()
    const owner = await invite('owner@example.org', 'owner')
    const other = await invite('other@example.org', 'owner')
    await members.update(tenant.id, other.id, { status: 'disabled' })
    const last = { code: 'last_owner' }
    await assert.rejects(members.update(tenant.id, owner.id, { role: 'admin' }), last)
    await assert.rejects(members.update(tenant.id, owner.id, { status: 'disabled' }), last)
    await assert.rejects(members.remove(tenant.id, owner.id), last)
    await members.update(tenant.id, other.id, { status: 'active' })
    // Both at once: one of them is refused.
    const results = await Promise.allSettled([owner, other].map(({ id }) => members.remove(tenant.id, id)))
    assert.deepEqual(results.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
  })

  test(name('a session ends with its time, with signing out, and with the member'), async () => {
    const { clock, tenant, members, invite, signIn, byCookie } = await setUp()
    const { id } = await invite('ada@example.org', 'operator')
    const out = { code: 'unauthenticated' }
    const first = await signIn(id)
    assert.deepEqual((await byCookie(first.token)).permissions, grantsOf('operator'))
    clock.advance(HOUR_MS - 1)
    await byCookie(first.token)
    clock.advance(1)
    await assert.rejects(byCookie(first.token), out)
    const second = await signIn(id)
    await byCookie(second.token)
    await members.signOut(second.token)
    await assert.rejects(byCookie(second.token), out)
    const third = await signIn(id)
    await members.update(tenant.id, id, { role: 'viewer' })
    assert.equal((await byCookie(third.token)).role, 'viewer')
    await members.remove(tenant.id, id)
    await assert.rejects(byCookie(third.token), out)
    await assert.rejects(byCookie(`${third.token}x`), out)
  })

  test(name('a request by cookie that changes something must show that it was meant'), async () => {
    const { invite, signIn, byCookie } = await setUp()
    const { token } = await signIn((await invite('ada@example.org', 'operator')).id)
    const refused = { code: 'csrf_refused' }
    await byCookie(token, { origin: 'https://evil.example' }, 'GET')
    await byCookie(token, { origin: 'https://aidos.example.org' }, 'POST')
    for (const origin of [
      'https://evil.example',
      'http://aidos.example.org',
      'https://aidos.example.org.evil.example',
      'null',
    ])
      await assert.rejects(byCookie(token, { origin }, 'POST'), refused, origin)
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE'])
      await assert.rejects(byCookie(token, {}, method), refused, method)
  })

  test(name('the database has no session’s cookie'), async () => {
    const { db, invite, signIn } = await setUp()
    const { token } = await signIn((await invite('ada@example.org', 'operator')).id)
    const rows = await db.primary.withTables<{ sessions: object }>().selectFrom('sessions').selectAll().execute()
    assert.equal(rows.length, 1)
    assert.ok(!JSON.stringify(rows).includes(token))
  })
}

test('the cookie is for https alone where the console is reached by it', () => {
  const line = writeCookie('session', 'x', 60, { origin: 'https://aidos.example.org' })
  assert.equal(line, '__Host-aidos_session=x; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure')
  assert.doesNotMatch(writeCookie('session', 'x', 60, { origin: 'http://127.0.0.1' }), /Secure|__Host/)
})

test('safePath() lets paths of this server through, and nothing that leads elsewhere', () => {
  for (const path of ['/', '/runs/1?a=b#c', '/a//b']) assert.equal(safePath(path), path)
  for (const path of [
    '',
    'runs',
    '//evil.example',
    '/\\evil.example',
    'https://evil.example',
    '/\n/evil',
    '/a\\b',
    undefined,
  ])
    assert.equal(safePath(path), '/', path)
})
