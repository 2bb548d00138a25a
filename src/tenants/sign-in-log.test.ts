import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { Writable } from 'node:stream'
import { type TestContext, test } from 'node:test'
import { DATABASES } from '../../test/support/databases.ts'
import { makeFakeClock } from '../platform/clock.ts'
import { makeHttpServer } from '../platform/http/server.ts'
import { makeIdGenerator } from '../platform/ids.ts'
import { makeLog } from '../platform/log.ts'
import { tenantErrors } from './errors.ts'
import type { Oidc } from './oidc.ts'
import { makeTenantRoutes } from './routes.ts'
import { makeTenantService } from './service.ts'

/** A server whose identity provider answers so, and what it logs. */
const setUp = async (t: TestContext, oidc: Partial<Oidc>) => {
  const { db } = await DATABASES[0]!.open()
  const tenants = makeTenantService({
    ...{ db, clock: makeFakeClock(), makeId: makeIdGenerator(), keyCacheMs: 0, keyCacheMax: 10 },
    cookies: { origin: 'https://aidos.example.org' },
    claimNames: { tenant: '', role: 'role', member: 'sub' },
    oidc: oidc as Oidc,
  })
  const lines: string[] = []
  const destination = new Writable({
    write(line, _, done) {
      lines.push(String(line))
      done()
    },
  })
  const server = await makeHttpServer({
    log: makeLog('warn', destination as never),
    ...{ makeId: randomUUID, bodyLimitBytes: 1000, version: '0' },
    authenticate: tenants.authenticate,
    routes: [makeTenantRoutes(tenants)],
  })
  t.after(() => server.close())
  return { server, lines, tenants }
}

test('why the identity provider lets nobody in is in the log, and not in the answer', async (t) => {
  const fail = async (): Promise<never> => {
    throw tenantErrors.sign_in_failed('begin again', { cause: new Error('invalid_client') })
  }
  const { server, lines } = await setUp(t, { begin: fail, finish: fail })
  for (const url of ['/auth/sign-in', '/auth/callback?code=geheim']) {
    const answer = await server.inject(url)
    assert.equal(answer.statusCode, 401)
    assert.doesNotMatch(answer.body, /invalid_client/)
    assert.match(lines.at(-1) ?? '', /invalid_client/, url)
    assert.doesNotMatch(lines.join(''), /geheim/)
    lines.length = 0
  }
})

test('a role that is not given, for it would leave the tenant without an owner, is in the log', async (t) => {
  const claims = { iss: 'i', sub: 'ada', email: 'ada@example.org', email_verified: true, role: 'viewer' }
  const { server, lines, tenants } = await setUp(t, { finish: async () => ({ claims, returnTo: '/' }) })
  const { id } = await tenants.ensureDefaultTenant()
  const ada = await tenants.members.create(id, { email: claims.email, role: 'owner' })
  assert.equal((await server.inject('/auth/callback?code=x')).statusCode, 302)
  assert.partialDeepStrictEqual(JSON.parse(lines.join('')), { memberId: ada.id, tenantId: id, refusedRole: 'viewer' })
})
