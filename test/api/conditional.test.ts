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
  return { status: response.status, tag: response.headers.get('etag') ?? '', code: text && JSON.parse(text).code, text }
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
  const answer = await send(method, path, { ...(body as object), name: 'none-of-these' } as Json, { 'if-match': '"x"' })
  assert.equal(answer.status, 412)

  const secret = '/v1/secrets/none-of-these'
  assert.equal((await send('PUT', secret, { value: 'geheim' }, { 'if-match': '"x"' })).status, 412)
  assert.equal((await send('GET', secret, undefined, {})).status, 404)

  const { body: member } = await app.call('POST', '/v1/members', { email: 'nobody@example.org', role: 'viewer' })
  const preferences = `/v1/notification-preferences/${member.id}`
  assert.equal((await send('PUT', preferences, {}, { 'if-match': '"x"' })).status, 412)
  assert.equal((await send('GET', preferences, undefined, {})).status, 404)
})

test('the tag of a secret does not say whether the value is still the same', async () => {
  const set = () => send('PUT', '/v1/secrets/same', { value: 'geheim' }, {})
  const [first, second] = [await set(), await set()]
  assert.notEqual(first.tag, second.tag)
})
