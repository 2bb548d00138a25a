/** ETag, If-Match and If-None-Match on every kind of thing that is updated, over HTTP. */
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import type { Json } from '../../src/platform/json.ts'
import { type Answer, startTestApp, type TestApp } from '../support/app.ts'

interface Kind {
  make(): Promise<Answer>
  /** Where it is, given the answer to its making. */
  // biome-ignore lint/suspicious/noExplicitAny: the answers have all forms.
  at(made: any): string
  readonly updates: (at: string, n: number) => readonly [method: string, path: string, body?: Json]
  readonly removes: boolean
}

const tool = (n: number) => ({
  source: `export const main = () => ${n}`,
  tools: [{ name: 'main', description: 'x', inputSchema: { type: 'object' }, entry: 'main' }],
})
const passes = (n: number) => ({ StartAt: 'A', States: { A: { Type: 'Pass', Result: n, End: true } } })
const every = (n: number) => ({ timing: { every: `${n} days` }, target: { task: 'skill:core/echo' } })

let app: TestApp
before(async () => {
  app = await startTestApp()
})

const post = (kind: string, body: Json) => () => app.call('POST', `/v1/${kind}`, body)

const KINDS: Readonly<Record<string, Kind>> = {
  agents: {
    make: post('agents', {
      name: 'thing',
      config: { model: { baseUrl: 'https://m.invalid/v1', name: 'm' }, instructions: 'x' },
    }),
    at: () => '/v1/agents/thing',
    updates: (at, n) => [
      'PUT',
      at,
      { config: { model: { baseUrl: 'https://m.invalid/v1', name: 'm' }, instructions: `${n}` } },
    ],
    removes: false,
  },
  skills: {
    make: post('skills', { name: 'thing', kind: 'function', definition: tool(0) }),
    at: () => '/v1/skills/thing',
    updates: (at, n) => ['PUT', at, { definition: tool(n) }],
    removes: true,
  },
  workflows: {
    make: post('workflows', { name: 'thing', definition: passes(0) }),
    at: () => '/v1/workflows/thing',
    updates: (_, n) => ['POST', '/v1/workflows', { name: 'thing', definition: passes(n) }],
    removes: true,
  },
  schedules: {
    make: post('schedules', { name: 'thing', ...every(1) }),
    at: () => '/v1/schedules/thing',
    updates: (at, n) => ['PUT', at, every(n + 1)],
    removes: true,
  },
  channels: {
    make: post('channels', { kind: 'inbox', name: 'thing' }),
    at: ({ id }) => `/v1/channels/${id}`,
    updates: (at, n) => ['PUT', at, { name: `thing-${n}` }],
    removes: true,
  },
  members: {
    make: post('members', { email: 'thing@example.org', role: 'viewer' }),
    at: ({ id }) => `/v1/members/${id}`,
    updates: (at, n) => ['PUT', at, { name: `thing-${n}` }],
    removes: true,
  },
  templates: {
    make: post('templates', { name: 'thing', body: 'x' }),
    at: ({ id }) => `/v1/templates/${id}`,
    updates: (at, n) => ['PUT', at, { subject: `${n}` }],
    removes: true,
  },
  'notification preferences': {
    make: async () => {
      const { body } = await app.call('POST', '/v1/members', { email: 'told@example.org', role: 'viewer' })
      return app.call('PUT', `/v1/notification-preferences/${body.id}`, {})
    },
    at: ({ memberId }) => `/v1/notification-preferences/${memberId}`,
    updates: (at, n) => ['PUT', at, { digest: { every: 'day', at: `0${n}:00` } }],
    removes: true,
  },
  'limits of a tenant': {
    make: post('tenants', { name: 'thing' }),
    at: ({ id }) => `/v1/tenants/${id}/limits`,
    updates: (at, n) => ['PATCH', at, { runsPerDay: n }],
    removes: false,
  },
  secrets: {
    make: () => app.call('PUT', '/v1/secrets/thing', { value: 'geheim' }),
    at: () => '/v1/secrets/thing',
    updates: (at, n) => ['PUT', at, { value: `geheim ${n}` }],
    removes: true,
  },
}

/** All that was asked here, and how it was answered. */
const asked: { method: string; path: string; status: number; tag: string; wasConditional: boolean }[] = []

const send = async (method: string, path: string, body: Json | undefined, headers: Record<string, string>) => {
  const response = await fetch(`${app.app.url}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${app.app.key}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  const { status } = response
  const tag = response.headers.get('etag') ?? ''
  asked.push({ method, path, status, tag, wasConditional: 'if-match' in headers || 'if-none-match' in headers })
  return { status, tag, code: text && JSON.parse(text).code, text }
}

for (const [kind, { make, at, updates, removes }] of Object.entries(KINDS)) {
  test(`${kind}: a change goes through over the newest reading alone`, async () => {
    const made = await make()
    assert.ok(made.status < 300, JSON.stringify(made.body))
    const place = at(made.body)
    const first = await send('GET', place, undefined, {})
    assert.match(first.tag, /^"[\w.-]+"$/)
    const unchanged = await send('GET', place, undefined, { 'if-none-match': first.tag })
    assert.deepEqual([unchanged.status, unchanged.text], [304, ''])
    const change = (n: number, match: string) => {
      const [method, path, body] = updates(place, n)
      return send(method, path, body, { 'if-match': match })
    }
    const changed = await change(1, first.tag)
    assert.ok(changed.status < 300, changed.text)
    const stale = await change(2, first.tag)
    assert.deepEqual([stale.status, stale.code], [412, 'precondition_failed'])
    assert.equal((await send('GET', place, undefined, { 'if-none-match': first.tag })).status, 200)
    const again = await change(3, changed.tag)
    assert.ok(again.status < 300, again.text)

    const current = (await send('GET', place, undefined, {})).tag
    assert.equal(current, again.tag)
    const both = await Promise.all([change(4, current), change(5, current)])
    const statuses = both.map(({ status }) => status)
    assert.equal(statuses.filter((status) => status < 300).length, 1, String(statuses))
    assert.ok(statuses.some((status) => status === 412 || status === 409))
    if (!removes) return
    assert.equal((await send('DELETE', place, undefined, { 'if-match': current })).status, 412)
    const newest = (await send('GET', place, undefined, {})).tag
    assert.ok((await send('DELETE', place, undefined, { 'if-match': newest })).status < 300)
  })
}

test('a thing that is not there matches nothing', async () => {
  const [method, path, body] = KINDS.workflows!.updates('', 1)
  const { body: member } = await app.call('POST', '/v1/members', { email: 'nobody@example.org', role: 'viewer' })
  const preferences = `/v1/notification-preferences/${member.id}`
  const secret = '/v1/secrets/none-of-these'
  // Not even "any": that is any that there is (RFC 9110, 13.1.1).
  for (const match of ['"x"', '*']) {
    const headers = { 'if-match': match }
    const workflow = { ...(body as object), name: 'none-of-these' } as Json
    assert.equal((await send(method, path, workflow, headers)).status, 412, match)
    assert.equal((await send('PUT', secret, { value: 'geheim' }, headers)).status, 412, match)
    assert.equal((await send('PUT', preferences, {}, headers)).status, 412, match)
  }
  for (const place of ['/v1/workflows/none-of-these', secret, preferences])
    assert.equal((await send('GET', place, undefined, {})).status, 404, place)
})

test('a thing is made only while there is none, where If-None-Match says so', async () => {
  const { body: member } = await app.call('POST', '/v1/members', { email: 'once@example.org', role: 'viewer' })
  const makings: [method: string, path: string, body: Json, place: string][] = [
    ['PUT', '/v1/secrets/once', { value: 'geheim' }, '/v1/secrets/once'],
    ['PUT', `/v1/notification-preferences/${member.id}`, {}, `/v1/notification-preferences/${member.id}`],
    ['POST', '/v1/workflows', { name: 'once', definition: passes(1) }, '/v1/workflows/once'],
  ]
  for (const [method, path, body, place] of makings) {
    const make = (match: string) => send(method, path, body, { 'if-none-match': match })
    assert.ok((await make('*')).status < 300, path)
    const { tag } = await send('GET', place, undefined, {})
    for (const match of ['*', tag, `W/${tag}`]) {
      const again = await make(match)
      assert.deepEqual([again.status, again.code], [412, 'precondition_failed'], `${path} ${match}`)
    }
    assert.equal((await send('GET', place, undefined, {})).tag, tag)
    assert.ok((await make('"another"')).status < 300, path)
  }
})

test('an Idempotency-Key gives the tag again, and keeps no answer about a state that has passed', async () => {
  const post = (n: number, key: string, headers: Record<string, string> = {}) =>
    send('POST', '/v1/workflows', { name: 'twice', definition: passes(n) }, { 'idempotency-key': key, ...headers })
  const first = await post(1, 'first')
  const again = await post(1, 'first')
  assert.deepEqual([again.status, again.text, again.tag], [first.status, first.text, first.tag])
  await post(2, 'second')
  assert.equal((await post(3, 'third', { 'if-match': first.tag })).status, 412)
  const { tag } = await send('GET', '/v1/workflows/twice', undefined, {})
  assert.equal((await post(3, 'third', { 'if-match': tag })).status, 201)
})

test('the tag of a secret does not say whether the value is still the same', async () => {
  const set = () => send('PUT', '/v1/secrets/same', { value: 'geheim' }, {})
  const [first, second] = [await set(), await set()]
  assert.notEqual(first.tag, second.tag)
})

interface Operation {
  readonly parameters?: readonly { readonly name: string; readonly in: string }[]
  readonly responses: Readonly<Record<string, { readonly headers?: object; readonly content?: object }>>
}

test('the documentation names the tags, and what is sent with them, of every route that has them', async () => {
  const { body } = await app.call('GET', '/openapi.json', undefined, null)
  const paths = Object.entries(body.paths as Record<string, Record<string, Operation>>)
  const operations = paths.flatMap(([path, of]) =>
    Object.entries(of).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  )
  const kinds = new Set<string>()
  for (const { method, path, operation } of operations) {
    const form = new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`)
    const own = asked.filter((one) => one.method === method && form.test(one.path))
    const name = `${method} ${path}`
    const [header, refusal] = method === 'GET' ? ['If-None-Match', '304'] : ['If-Match', '412']
    if (!operation.parameters?.some((parameter) => parameter.in === 'header' && parameter.name === header)) {
      assert.ok(
        own.every(({ tag, wasConditional }) => tag === '' && !wasConditional),
        name,
      )
      assert.ok(!(method === 'PUT' || method === 'PATCH') || path === '/v1/queues/rules', `${name} is not conditional`)
      continue
    }
    kinds.add(name)
    assert.ok(
      own.some(({ status }) => String(status) === refusal),
      `${name} was never answered ${refusal}`,
    )
    assert.ok(operation.responses[refusal], `${name} ${refusal}`)
    for (const { status, tag } of own.filter((one) => one.status < 300)) {
      const documented = operation.responses[status === 201 ? 200 : status]
      assert.ok(documented, `${name} was answered ${status}`)
      assert.equal('ETag' in (documented.headers ?? {}), tag !== '', `${name} ${status}`)
      assert.ok(status !== 204 || documented.content === undefined, name)
    }
  }
  assert.equal(kinds.size, Object.keys(KINDS).length * 2 + Object.values(KINDS).filter(({ removes }) => removes).length)
  assert.deepEqual(body.paths['/v1/channels/{id}'].put.responses['412'].content, {
    'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } },
  })
  assert.ok(body.components.schemas.Problem.required.includes('code'))
  assert.equal(JSON.stringify(body).includes('x-conditional'), false)
})
