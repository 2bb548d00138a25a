/** Every route demands what it says, and each role may do exactly what the table says. */
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { PERMISSIONS, type Permission } from '../../src/platform/http/principal.ts'
import { grantsOf, ROLES, type Role } from '../../src/tenants/roles.ts'
import { startTestApp, type TestApp } from '../support/app.ts'
import { PATIENCE_MS } from '../support/until.ts'

interface Route {
  readonly method: string
  readonly path: string
  readonly permission: Permission | undefined
  readonly isPublic: boolean
}

let app: TestApp
let routes: Route[]
const keys: Partial<Record<Role, string>> = {}
const NOBODY = '01a20000-0000-7000-8000-000000000000'

before(async () => {
  app = await startTestApp()
  const { paths } = (await app.call('GET', '/openapi.json')).body as {
    paths: Record<string, Record<string, { 'x-permission'?: Permission; security?: unknown[] }>>
  }
  routes = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { 'x-permission': permission, security }]) => ({
      method: method.toUpperCase(),
      path,
      permission,
      isPublic: security?.length === 0,
    })),
  )
  for (const role of ROLES) {
    const made = await app.call('POST', '/v1/keys', { name: role, role })
    keys[role] = made.body.key
  }
})

/** Of these the answer comes when there is news: whoever is let in waits. A refusal comes by itself, and is waited for. */
const WAITS = /\/(stream|poll)$/
const WAIT_MS = 1000

/** The status and code of an answer; a stream is left as soon as it begins. */
const ask = async (route: Route, key: string | undefined, isLetIn: boolean) => {
  const stop = new AbortController()
  const timer = WAITS.test(route.path) ? setTimeout(() => stop.abort(), isLetIn ? WAIT_MS : PATIENCE_MS) : undefined
  try {
    return await askUntil(route, key, stop)
  } catch (error) {
    if (!stop.signal.aborted) throw error
    return { status: 200, code: undefined, lacks: undefined }
  } finally {
    clearTimeout(timer)
  }
}

const askUntil = async ({ method, path }: Route, key: string | undefined, stop: AbortController) => {
  const response = await fetch(app.app.url + path.replaceAll(/\{[^}]+\}/g, NOBODY), {
    method,
    signal: stop.signal,
    redirect: 'manual',
    headers: {
      ...(key && { authorization: `Bearer ${key}` }),
      ...(method !== 'GET' && { 'content-type': 'application/json' }),
    },
    ...(method !== 'GET' && { body: '{}' }),
  })
  const isProblem = response.headers.get('content-type')?.startsWith('application/problem+json')
  const body = isProblem ? ((await response.json()) as { code: string; details?: { permission?: string } }) : undefined
  stop.abort()
  return { status: response.status, code: body?.code, lacks: body?.details?.permission }
}

/** Open on purpose, with the reason why. */
const PUBLIC = [
  // What tells whether a process lives, for whoever keeps it alive; nothing of a tenant.
  'GET /healthz',
  'GET /readyz',
  'GET /metrics',
  // Where people come from who are not known yet, or no more.
  'GET /auth/sign-in',
  'GET /auth/callback',
  'POST /auth/sign-out',
]

test('the routes that are open are those that are meant to be', () => {
  assert.ok(routes.length > 50, `only ${routes.length} routes are documented`)
  const open = routes.filter(({ isPublic }) => isPublic).map(({ method, path }) => `${method} ${path}`)
  assert.deepEqual(open.sort(), PUBLIC.toSorted())
  const unnamed = routes.filter(({ isPublic, permission }) => !isPublic && !permission)
  assert.deepEqual(
    unnamed.map(({ method, path }) => `${method} ${path}`),
    ['GET /v1/session'],
  )
})

test('every other route refuses a caller without a key', async () => {
  for (const route of routes.filter(({ isPublic }) => !isPublic)) {
    const { status, code } = await ask(route, undefined, false)
    assert.deepEqual([status, code], [401, 'unauthenticated'], `${route.method} ${route.path}`)
  }
})

for (const role of ROLES) {
  test(`the role ${role} gets through to exactly the routes that the table says`, async () => {
    const wrong: string[] = []
    for (const route of routes.filter(({ permission }) => permission)) {
      const may = grantsOf(role).has(route.permission as Permission)
      const { code, lacks } = await ask(route, keys[role], may)
      const isRefused = code === 'forbidden' && lacks === route.permission
      if (isRefused === may) wrong.push(`${route.method} ${route.path}: ${may ? 'may' : 'may not'}, and got ${code}`)
    }
    assert.deepEqual(wrong, [])
  })
}

test('every permission is demanded by some route, but for those that routes only check inside', () => {
  const demanded = new Set(routes.map(({ permission }) => permission))
  assert.deepEqual(
    PERMISSIONS.filter((permission) => !demanded.has(permission)),
    ['owners:write', 'events:write'],
  )
})

test('a role has no more than the one before it, but for what builders and operators have of their own', () => {
  const beyond = (role: Role, other: Role): string[] => [...grantsOf(role)].filter((one) => !grantsOf(other).has(one))
  assert.deepEqual(new Set(PERMISSIONS), grantsOf('owner'))
  assert.deepEqual(beyond('admin', 'owner'), [])
  assert.deepEqual(beyond('owner', 'admin'), ['owners:write', 'tenants:write'])
  for (const role of ['operator', 'developer', 'viewer'] as const) assert.deepEqual(beyond(role, 'admin'), [])
  assert.deepEqual(
    beyond('operator', 'developer').filter((one) => one !== 'queues:write'),
    ['notifications:write'],
  )
  for (const one of grantsOf('viewer')) assert.match(one, /:read$/)
})
