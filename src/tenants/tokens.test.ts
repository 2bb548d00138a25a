import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose'
import { DATABASES } from '../../test/support/databases.ts'
import { makeFakeClock } from '../platform/clock.ts'
import { makeIdGenerator } from '../platform/ids.ts'
import type { Role } from './roles.ts'
import { makeTenantService } from './service.ts'
import { makeServiceTokens } from './service-token.ts'
import { makeTokenVerifier } from './tokens.ts'

/** An identity provider: its published keys, and tokens by any of the keys it ever had. */
const startProvider = async () => {
  let published: object[] = []
  let isDown = false
  const server = createServer((_, response) => {
    if (isDown) response.writeHead(500).end()
    else response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: published }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const makeKey = async (kid: string) => {
    const { publicKey, privateKey } = await generateKeyPair('ES256')
    return { kid, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg: 'ES256' } }
  }
  return {
    url,
    makeKey,
    publish: (...keys: { jwk: object }[]) => {
      published = keys.map(({ jwk }) => jwk)
    },
    setDown: (is: boolean) => {
      isDown = is
    },
    stop: () => server.close(),
  }
}

const AUDIENCE = 'aidos'
const database = DATABASES[0]!

const setUp = async (
  t: { after(stop: () => void): void },
  claimNames = { tenant: 'org', role: 'roles', member: 'sub' },
) => {
  const provider = await startProvider()
  t.after(provider.stop)
  const { db } = await database.open()
  const clock = makeFakeClock()
  const options = { issuer: provider.url, audience: AUDIENCE, jwksUrl: provider.url, clock, fetch, cooldownMs: 0 }
  const tenants = makeTenantService({
    ...{ db, clock, makeId: makeIdGenerator(), keyCacheMs: 0, keyCacheMax: 10, claimNames },
    verifyToken: makeTokenVerifier(options),
  })
  const tenant = await tenants.ensureDefaultTenant()
  const key = await provider.makeKey('one')
  provider.publish(key)
  const nowS = Math.floor(clock.now() / 1000)
  const good = { iss: provider.url, aud: AUDIENCE, sub: 'alice', org: 'default', roles: ['viewer'], exp: nowS + 600 }
  const sign = (claims: JWTPayload = good, by = key) =>
    new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid: by.kid }).sign(by.privateKey)
  const caller = async (token: string) => tenants.authenticate(`Bearer ${token}`)
  const refused = async (token: string, what: string) =>
    assert.rejects(caller(token), { code: 'unauthenticated' }, what)
  return { provider, clock, tenants, tenant, key, good, sign, caller, refused, nowS, db }
}

test('a token of the provider speaks for the tenant, the member and the highest role that its claims name', async (t) => {
  const { sign, caller, tenant, good, tenants } = await setUp(t)
  const principal = await caller(await sign({ ...good, roles: ['viewer', 'developer', 'nonsense'], name: 'Alice' }))
  const { permissions, ...rest } = principal
  const id = `${good.iss}|alice`
  assert.deepEqual(rest, {
    ...{
      kind: 'member',
      tenantId: tenant.id,
      projectId: null,
      keyId: id,
      name: 'Alice',
      memberId: id,
      role: 'developer',
    },
  })
  assert.ok(permissions.has('agents:write') && !permissions.has('keys:write'))
  const { tenant: other } = await tenants.createTenant('other')
  assert.equal((await caller(await sign({ ...good, org: other.id }))).tenantId, other.id)
})

test('a token that is wrong in anything is refused', async (t) => {
  const { sign, refused, good, nowS, provider, key } = await setUp(t)
  const { exp: _, ...endless } = good
  const { sub: __, ...nobody } = good
  const cases: [string, JWTPayload][] = [
    ['another audience', { ...good, aud: 'other' }],
    ['another issuer', { ...good, iss: 'https://evil.example' }],
    ['expired beyond the skew', { ...good, exp: nowS - 61 }],
    ['not yet valid', { ...good, nbf: nowS + 61 }],
    ['without an end', endless],
    ['without a subject', nobody],
    ['an unknown tenant', { ...good, org: 'nowhere' }],
    ['no role', { ...good, roles: [] }],
  ]
  for (const [what, claims] of cases) await refused(await sign(claims), what)
  const token = await sign()
  await refused(`${token.slice(0, -4)}AAAA`, 'another signature')
  const none = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${token.split('.')[1]}.`
  await refused(none, 'no signature')
  await refused(`${none}x`, 'alg none')
  // The public key as if it were a shared secret.
  const bytes = new TextEncoder().encode(JSON.stringify(key.jwk))
  const confused = await new SignJWT(good).setProtectedHeader({ alg: 'HS256', kid: 'one' }).sign(bytes)
  await refused(confused, 'a public key used as a secret')
  const theirs = await provider.makeKey('one')
  await refused(await sign(good, theirs), 'a key of somebody else under the same id')
})

test('clocks may differ by a minute', async (t) => {
  const { sign, caller, good, nowS } = await setUp(t)
  assert.equal((await caller(await sign({ ...good, exp: nowS - 59 }))).role, 'viewer')
  assert.equal((await caller(await sign({ ...good, nbf: nowS + 59 }))).role, 'viewer')
})

test('the provider changes its keys: tokens by the new one count at once, by a withdrawn one no more', async (t) => {
  const { sign, caller, refused, good, provider, key } = await setUp(t)
  await caller(await sign())
  const next = await provider.makeKey('two')
  await refused(await sign(good, next), 'not published yet')
  provider.publish(next, key)
  assert.equal((await caller(await sign(good, next))).role, 'viewer')
  provider.publish(next)
  await refused(await sign(good, await provider.makeKey('three')), 'has the keys read again')
  await refused(await sign(), 'withdrawn')
})

test('a provider that does not answer is no reason to call a token wrong', async (t) => {
  const { sign, caller, provider, clock } = await setUp(t)
  provider.setDown(true)
  await assert.rejects(caller(await sign()), (error: Error & { code?: string; status?: number }) => {
    assert.deepEqual([error.code, error.status], ['identity_unavailable', 503])
    // It is answered to anybody.
    assert.doesNotMatch(error.message, /127\.0\.0\.1|500/)
    assert.match(String(error.cause), /500/)
    return true
  })
  provider.setDown(false)
  clock.advance(1000)
  assert.equal((await caller(await sign())).role, 'viewer')
})

test('without claims for them, tenant and role are those of the member', async (t) => {
  const none = { tenant: '', role: '', member: 'sub' }
  const { sign, caller, refused, good, tenants, tenant } = await setUp(t, none)
  const invite = (tenantId: string, role: Role) =>
    tenants.members.create(tenantId, { email: 'Alice@Example.org', role })
  await refused(await sign(), 'nobody knows her')
  const member = await invite(tenant.id, 'operator')
  await refused(await sign({ ...good, email: 'alice@example.org' }), 'her address is not verified')
  const known = { ...good, email: 'ALICE@example.org', email_verified: true }
  const principal = await caller(await sign(known))
  assert.deepEqual([principal.memberId, principal.role], [member.id, 'operator'])
  await tenants.members.update(tenant.id, member.id, { status: 'disabled' })
  await refused(await sign(known), 'she is shut out')
  await tenants.members.update(tenant.id, member.id, { status: 'active' })
  const { tenant: other } = await tenants.createTenant('other')
  await invite(other.id, 'owner')
  await refused(await sign(known), 'she is of two tenants, and does not say which')
})

test('a service speaks for a tenant for a minute, with what it was given', async () => {
  const { db } = await database.open()
  const clock = makeFakeClock()
  const [key, next] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)]
  let keys = [key]
  const serviceTokens = makeServiceTokens({ keys: () => keys, clock })
  const options = { db, clock, makeId: makeIdGenerator(), keyCacheMs: 0, keyCacheMax: 10, serviceTokens }
  const tenants = makeTenantService(options)
  const token = await serviceTokens.sign({ tenantId: 't1', service: 'scheduler', permissions: ['runs:write'] })
  const { permissions, ...principal } = await tenants.authenticate(`Bearer ${token}`)
  assert.deepEqual([...permissions], ['runs:write'])
  const who = { kind: 'service', tenantId: 't1', projectId: null, keyId: 'service:scheduler', name: 'scheduler' }
  assert.deepEqual(principal, { ...who, memberId: null, role: null })
  keys = [next, key]
  await tenants.authenticate(`Bearer ${token}`)
  keys = [next]
  await assert.rejects(async () => tenants.authenticate(`Bearer ${token}`), { code: 'unauthenticated' })
  keys = [key]
  clock.advance(66_000)
  await assert.rejects(async () => tenants.authenticate(`Bearer ${token}`), { code: 'unauthenticated' })
})
