/** People sign in to the console at a real OpenID provider, work by cookie, and sign out. */
import assert from 'node:assert/strict'
import type { Server } from 'node:http'
import { before, test } from 'node:test'
import Provider from 'oidc-provider'
import { startTestApp, type TestApp } from '../support/app.ts'
import { wholeFile } from '../support/cleanup.ts'
import { freePort } from '../support/free-port.ts'

interface Person {
  readonly email: string
  readonly email_verified: boolean
  readonly name: string
}

const PEOPLE: Readonly<Record<string, Person>> = {
  alice: { email: 'alice@example.org', email_verified: true, name: 'Alice' },
  mallory: { email: 'alice@example.org', email_verified: false, name: 'Mallory' },
  stranger: { email: 'stranger@example.org', email_verified: true, name: 'Stranger' },
}

let app: TestApp
let origin: string
let issuer: string

const startProvider = async (redirectUri: string): Promise<string> => {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const provider = new Provider(url, {
    clients: [
      {
        client_id: 'aidos',
        client_secret: 'client-secret',
        redirect_uris: [redirectUri],
        token_endpoint_auth_method: 'client_secret_post',
      },
    ],
    // Refused by the provider without a challenge.
    pkce: { required: () => true },
    claims: { email: ['email', 'email_verified'], profile: ['name'] },
    findAccount: (_, id) => ({ accountId: id, claims: async () => ({ sub: id, ...PEOPLE[id] }) }),
    cookies: { keys: ['for the test'] },
  })
  const server = await new Promise<Server>((resolve) => {
    const listening: Server = provider.listen(port, '127.0.0.1', () => resolve(listening))
  })
  wholeFile.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return url
}

before(async () => {
  const port = await freePort()
  origin = `http://127.0.0.1:${port}`
  issuer = await startProvider(`${origin}/auth/callback`)
  const oidc = { OIDC_ISSUER: issuer, OIDC_CLIENT_ID: 'aidos', OIDC_CLIENT_SECRET: 'client-secret' }
  app = await startTestApp({ env: { PORT: String(port), PUBLIC_URL: origin, ...oidc } })
})

/** What a browser does: keeps cookies by host, follows redirects, sends forms. */
const makeBrowser = () => {
  const jar = new Map<string, Map<string, string>>()
  const go = async (url: string, init: RequestInit = {}) => {
    // Cookies know no ports: the two servers' are kept apart here, as two hosts' would be.
    const { origin: host } = new URL(url)
    const cookies = jar.get(host) ?? new Map<string, string>()
    jar.set(host, cookies)
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const headers = { ...(init.headers as Record<string, string>), ...(cookie && { cookie }) }
    const response = await fetch(url, { ...init, headers, redirect: 'manual' })
    for (const line of response.headers.getSetCookie()) {
      const [pair = ''] = line.split(';')
      const [name = '', value = ''] = [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]
      if (value === '' || /max-age=0|expires=thu, 01 jan 1970/i.test(line)) cookies.delete(name)
      else cookies.set(name, value)
    }
    return response
  }
  /** Until an answer is no redirect; stops before `stopAt`. */
  const follow = async (url: string, init: RequestInit = {}, stopAt?: string) => {
    let at = url
    let response = await go(at, init)
    for (let i = 0; i < 20; i++) {
      const location = response.headers.get('location')
      if (!location) break
      at = new URL(location, at).href
      if (stopAt && at.startsWith(stopAt)) return { at, response }
      response = await go(at)
    }
    return { at, response }
  }
  /** The provider's own pages: who, and yes. */
  const authenticate = async (begin: string, login: string, stopAt?: string) => {
    const form = (fields: Record<string, string>): RequestInit => ({
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams(fields).toString(),
    })
    const atLogin = await follow(begin)
    assert.match(atLogin.at, /\/interaction\//)
    const atConsent = await follow(atLogin.at, form({ prompt: 'login', login, password: 'any' }))
    return follow(atConsent.at, form({ prompt: 'consent' }), stopAt)
  }
  return { go, follow, authenticate, cookies: (host: string) => jar.get(host) ?? new Map<string, string>() }
}

const callback = (): string => `${origin}/auth/callback`
const json = async (response: Response) => (await response.json()) as Record<string, string>

test('who is invited signs in, works by cookie within the role, and is out after signing out', async () => {
  await app.call('POST', '/v1/members', { email: 'alice@example.org', role: 'developer' })
  const browser = makeBrowser()
  const { at, response } = await browser.authenticate(`${origin}/auth/sign-in?returnTo=/openapi.json`, 'alice')
  assert.deepEqual([at, response.status], [`${origin}/openapi.json`, 200])
  const session = await json(await browser.go(`${origin}/v1/session`))
  assert.deepEqual([session.kind, session.role, session.name], ['member', 'developer', 'Alice'])
  assert.equal((await browser.go(`${origin}/v1/runs`)).status, 200)
  assert.equal((await browser.go(`${origin}/v1/keys`)).status, 403)

  const body = (name: string) =>
    JSON.stringify({ name, definition: { StartAt: 'A', States: { A: { Type: 'Succeed' } } } })
  const post = async (name: string, headers: Record<string, string>) => {
    const type = { 'content-type': 'application/json' }
    const init = { method: 'POST', headers: { ...type, ...headers }, body: body(name) }
    const answer = await browser.go(`${origin}/v1/workflows`, init)
    return [answer.status, (await json(answer)).code]
  }
  // Only what comes from our own pages, or knows what only they can read.
  assert.deepEqual(await post('a', {}), [403, 'csrf_refused'])
  assert.deepEqual(await post('a', { origin: 'https://evil.example' }), [403, 'csrf_refused'])
  assert.deepEqual(await post('a', { origin: 'null', 'x-csrf-token': `${session.csrfToken}` }), [403, 'csrf_refused'])
  assert.deepEqual(await post('a', { 'x-csrf-token': `${session.csrfToken}x` }), [403, 'csrf_refused'])
  assert.deepEqual(await post('a', { origin }), [201, undefined])
  assert.deepEqual(await post('b', { 'x-csrf-token': `${session.csrfToken}` }), [201, undefined])

  const cookies = new Map(browser.cookies(origin))
  assert.equal((await browser.go(`${origin}/auth/sign-out`, { method: 'POST' })).status, 403)
  assert.equal((await browser.go(`${origin}/auth/sign-out`, { method: 'POST', headers: { origin } })).status, 204)
  assert.equal((await browser.go(`${origin}/v1/session`)).status, 401)
  // Also for somebody who kept the cookie.
  const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  assert.equal((await fetch(`${origin}/v1/session`, { headers: { cookie } })).status, 401)

  const { items } = (await app.call('GET', '/v1/audit?limit=20')).body
  const seen = items.map(({ action, actor, outcome }: { action: string; actor: { name: string }; outcome: string }) => [
    action,
    actor.name,
    outcome,
  ])
  assert.deepEqual(seen.slice(0, 4), [
    ['member.signed_out', 'alice@example.org', 'done'],
    ['workflow.created', 'Alice', 'done'],
    ['workflow.created', 'Alice', 'done'],
    ['member.signed_in', 'alice@example.org', 'done'],
  ])
  assert.equal(items[0].address, '127.0.0.1')
})

test('the cookie is for the browser alone, and the database knows only its hash', async () => {
  const browser = makeBrowser()
  const { at } = await browser.authenticate(`${origin}/auth/sign-in`, 'alice', callback())
  const answer = await browser.go(at)
  const [line = ''] = answer.headers.getSetCookie().filter((one) => one.startsWith('aidos_session='))
  for (const part of ['HttpOnly', 'SameSite=Lax', 'Path=/', 'Max-Age=43200']) assert.ok(line.includes(part), line)
  assert.equal(answer.headers.get('cache-control'), 'no-store')
})

test('who is not invited is not let in, nor who claims an address that is not verified', async () => {
  for (const login of ['stranger', 'mallory']) {
    const browser = makeBrowser()
    const { at, response } = await browser.authenticate(`${origin}/auth/sign-in`, login)
    assert.deepEqual([new URL(at).pathname, response.status], ['/auth/callback', 403], login)
    assert.equal(browser.cookies(origin).has('aidos_session'), false)
  }
  const { items } = (await app.call('GET', '/v1/audit?action=sign_in.failed')).body
  assert.deepEqual(
    items.map(({ actor, code, request }: Record<string, { name?: string }>) => [actor?.name, code, request]),
    Array(2).fill(['person', 'forbidden', 'GET /auth/callback']),
  )
})

test('an answer of the provider counts once, in the browser that asked, with its state', async () => {
  const browser = makeBrowser()
  const { at } = await browser.authenticate(`${origin}/auth/sign-in`, 'alice', callback())
  const refused = async (response: Promise<Response>, what: string) => {
    const answer = await response
    assert.deepEqual([answer.status, (await json(answer)).code], [401, 'sign_in_failed'], what)
  }
  await refused(makeBrowser().go(at), 'another browser')
  const url = new URL(at)
  url.searchParams.set('state', 'other')
  await refused(browser.go(url.href), 'another state')
  const kept = new Map(browser.cookies(origin))
  assert.equal((await browser.go(at)).status, 302)
  assert.equal(browser.cookies(origin).has('aidos_sign_in'), false)
  const cookie = [...kept].map(([name, value]) => `${name}=${value}`).join('; ')
  await refused(fetch(at, { headers: { cookie }, redirect: 'manual' }), 'a second time')
})

test('nobody is led to another site after signing in', async () => {
  for (const returnTo of ['https://evil.example/', '//evil.example', '/\\evil.example', '/\t/evil.example']) {
    const browser = makeBrowser()
    const begin = `${origin}/auth/sign-in?returnTo=${encodeURIComponent(returnTo)}`
    const { at } = await browser.authenticate(begin, 'alice', callback())
    assert.equal((await browser.go(at)).headers.get('location'), '/', returnTo)
  }
})

test('a member who is disabled is out at once, and cannot come back', async () => {
  const browser = makeBrowser()
  await browser.authenticate(`${origin}/auth/sign-in?returnTo=/openapi.json`, 'alice')
  assert.equal((await browser.go(`${origin}/v1/session`)).status, 200)
  const { items } = (await app.call('GET', '/v1/members')).body
  await app.call('PUT', `/v1/members/${items[0].id}`, { status: 'disabled' })
  assert.equal((await browser.go(`${origin}/v1/session`)).status, 401)
  const again = await makeBrowser().authenticate(`${origin}/auth/sign-in`, 'alice')
  assert.equal(again.response.status, 403)
})
