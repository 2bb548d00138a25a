/** Bad input: each a clear error, and nothing changed. */
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { readKey } from '../../src/tenants/index.ts'
import { startTestApp, type TestApp } from '../support/app.ts'
import { until } from '../support/until.ts'

let app: TestApp
before(async () => {
  app = await startTestApp({ env: { PAYLOAD_LIMIT_BYTES: '4096', BODY_LIMIT_BYTES: '65536' } })
})

const counts = async (): Promise<unknown> => {
  const paths = ['runs', 'tasks', 'workflows', 'agents', 'dead-letters', 'keys', 'projects']
  return Promise.all(
    paths.map(
      async (path) =>
        (await app.call('GET', `/v1/${path}?limit=500`.replace(/(keys|projects)\?.*/, '$1'))).body.items.length,
    ),
  )
}

interface Case {
  readonly title: string
  readonly method?: string
  readonly path: string
  readonly body?: Parameters<TestApp['call']>[2]
  readonly key?: string | null
  readonly status: number
  readonly code: string
  readonly detail: RegExp
}

const ID = '01a20000-0000-7000-8000-000000000000'
const machine = (States: object, more: object = {}) => ({ StartAt: 'A', States, ...more }) as never

const CASES: readonly Case[] = [
  {
    title: 'malformed JSON',
    path: '/v1/runs',
    body: '{"workflow": ',
    status: 400,
    code: 'json_malformed',
    detail: /is not JSON: Unexpected end of JSON input/,
  },
  { title: 'an empty body', path: '/v1/runs', body: '', status: 400, code: 'json_malformed', detail: /empty/ },
  {
    title: 'a body nested without end',
    path: '/v1/tasks',
    body: `{"kind":"skill:core/noop","input":${'['.repeat(20_000)}${']'.repeat(20_000)}}`,
    status: 400,
    code: 'json_too_deep',
    detail: /deeper than 100/,
  },
  {
    title: 'an unknown field',
    path: '/v1/tasks',
    body: { kind: 'skill:core/noop', prio: 'high' },
    status: 400,
    code: 'request_invalid',
    detail: /prio/,
  },
  {
    title: 'a wrong priority',
    path: '/v1/tasks',
    body: { kind: 'skill:core/noop', priority: 'urgent' },
    status: 400,
    code: 'request_invalid',
    detail: /critical/,
  },
  {
    title: 'an unknown workflow',
    path: '/v1/runs',
    body: { workflow: 'nobody' },
    status: 404,
    code: 'workflow_not_found',
    detail: /"nobody"/,
  },
  {
    title: 'an unknown agent',
    path: '/v1/runs',
    body: { agent: 'nobody' },
    status: 404,
    code: 'agent_not_found',
    detail: /nobody/,
  },
  {
    title: 'neither workflow nor agent',
    path: '/v1/runs',
    body: {},
    status: 400,
    code: 'request_invalid',
    detail: /either a workflow or an agent/,
  },
  {
    title: 'an unknown skill',
    path: '/v1/tasks',
    body: { kind: 'skill:nobody/x' },
    status: 422,
    code: 'skill_not_found',
    detail: /nobody/,
  },
  {
    title: 'an unknown tool',
    path: '/v1/tasks',
    body: { kind: 'skill:core/nothing' },
    status: 422,
    code: 'tool_not_found',
    detail: /nothing/,
  },
  {
    title: 'an unknown task handler',
    path: '/v1/tasks',
    body: { kind: 'nothing' },
    status: 422,
    code: 'unknown_kind',
    detail: /"skill:NAME\/TOOL"/,
  },
  {
    title: 'a duration that is none',
    path: '/v1/tasks',
    body: { kind: 'skill:core/noop', delay: 'soon' },
    status: 400,
    code: 'duration_invalid',
    detail: /^delay: "soon" is not a duration/,
  },
  {
    title: 'a duration that is none within a policy',
    path: '/v1/tasks',
    body: { kind: 'skill:core/noop', retry: { maxDelay: '1 moon' } },
    status: 400,
    code: 'duration_invalid',
    detail: /^retry.maxDelay: "1 moon" is not a duration/,
  },
  {
    title: 'an unknown field within another',
    path: '/v1/tasks',
    body: { kind: 'skill:core/noop', retry: { maxAttempts: 3 } },
    status: 400,
    code: 'request_invalid',
    detail: /^body.retry.maxAttempts: is not known here; allowed: attempts, backoff, delay/,
  },
  {
    title: 'a parameter of a route that takes none',
    method: 'DELETE',
    path: '/v1/workflows/w?version=2',
    status: 400,
    code: 'request_invalid',
    detail: /^querystring.version: is not known here; allowed: nothing/,
  },
  {
    title: 'delay and runAt at once',
    path: '/v1/tasks',
    body: { kind: 'skill:core/noop', delay: 1, runAt: '2030-01-01T00:00:00Z' },
    status: 400,
    code: 'request_invalid',
    detail: /not both/,
  },
  {
    title: 'a payload over the limit',
    path: '/v1/tasks',
    body: { kind: 'skill:core/noop', input: 'x'.repeat(5000) },
    status: 413,
    code: 'payload_too_large',
    detail: /5002 bytes.*4096/,
  },
  {
    title: "a run's payload over the limit",
    path: '/v1/runs',
    body: { workflow: 'x', input: 'x'.repeat(5000) },
    status: 413,
    code: 'payload_too_large',
    detail: /4096/,
  },
  {
    title: 'a body over the limit',
    path: '/v1/tasks',
    body: { kind: 'x', input: 'x'.repeat(70_000) },
    status: 413,
    code: 'body_too_large',
    detail: /has 70\d\d\d bytes; allowed: 65536 \(BODY_LIMIT_BYTES\)/,
  },
  {
    title: 'an expression that does not parse',
    path: '/v1/workflows',
    body: {
      name: 'w',
      definition: machine({ A: { Type: 'Pass', Output: '{% $x( %}', End: true } }, { QueryLanguage: 'JSONata' }),
    },
    status: 422,
    code: 'definition_invalid',
    detail: /state "A".*/,
  },
  {
    title: 'a missing state',
    path: '/v1/workflows',
    body: { name: 'w', definition: machine({ A: { Type: 'Pass', Next: 'B' } }) },
    status: 422,
    code: 'definition_invalid',
    detail: /state "A".*B/,
  },
  {
    title: 'an unreachable state',
    path: '/v1/workflows',
    body: { name: 'w', definition: machine({ A: { Type: 'Succeed' }, Lost: { Type: 'Succeed' } }) },
    status: 422,
    code: 'definition_invalid',
    detail: /Lost/,
  },
  {
    title: 'a resource that AIDOS does not have',
    path: '/v1/workflows',
    body: { name: 'w', definition: machine({ A: { Type: 'Task', Resource: 'lambda:x', End: true } }) },
    status: 422,
    code: 'definition_invalid',
    detail: /"lambda:x" is nothing that AIDOS has/,
  },
  {
    title: 'a definition that is no JSON',
    path: '/v1/workflows',
    body: { name: 'w', definition: '{"StartAt":' },
    status: 422,
    code: 'definition_invalid',
    detail: /not JSON/,
  },
  {
    title: 'a name with a slash',
    path: '/v1/workflows',
    body: { name: 'a/b', definition: {} },
    status: 400,
    code: 'request_invalid',
    detail: /body.name/,
  },
  {
    title: 'a foreign cursor',
    method: 'GET',
    path: '/v1/runs?cursor=zzz',
    status: 400,
    code: 'cursor_invalid',
    detail: /cursor/,
  },
  {
    title: 'an id that does not exist',
    method: 'GET',
    path: `/v1/runs/${ID}`,
    status: 404,
    code: 'run_not_found',
    detail: /no run/,
  },
  {
    title: 'a signal to nobody',
    path: `/v1/runs/${ID}/signals/go`,
    body: {},
    status: 404,
    code: 'run_not_found',
    detail: /no run/,
  },
  {
    title: 'a route that does not exist',
    method: 'GET',
    path: '/v1/nothing',
    status: 404,
    code: 'route_not_found',
    detail: /docs/,
  },
  {
    title: 'no key',
    path: '/v1/tasks',
    body: { kind: 'skill:core/noop' },
    key: null,
    status: 401,
    code: 'unauthenticated',
    detail: /Bearer/,
  },
  {
    title: 'a key of the wrong form',
    path: '/v1/tasks',
    body: { kind: 'skill:core/noop' },
    key: 'hunter2',
    status: 401,
    code: 'unauthenticated',
    detail: /Bearer/,
  },
  {
    title: 'a key of somebody else',
    path: '/v1/tasks',
    body: { kind: 'skill:core/noop' },
    key: `aidos_${ID.replaceAll('-', '')}_${'x'.repeat(43)}`,
    status: 401,
    code: 'unauthenticated',
    detail: /Bearer/,
  },
  {
    title: 'a scope that is none',
    path: '/v1/keys',
    body: { name: 'k', scopes: ['everything'] },
    status: 400,
    code: 'scope_unknown',
    detail: /"everything"/,
  },
  {
    title: 'a key that would be expired already',
    path: '/v1/keys',
    body: { name: 'k', expiresAt: '2020-01-01T01:00:00+01:00' },
    status: 400,
    code: 'key_expiry_invalid',
    detail: /2020-01-01T00:00:00\.000Z, and must be later than now/,
  },
]

for (const { title, method = 'POST', path, body, key, status, code, detail } of CASES) {
  test(`the API answers ${title} with ${code} and changes nothing`, async () => {
    const beforeCall = await counts()
    const answer = await app.call(method, path, body, key)
    assert.equal(answer.body.code, code, JSON.stringify(answer.body))
    assert.equal(answer.status, status)
    assert.match(answer.body.detail, detail)
    assert.equal(answer.body.type, `urn:aidos:error:${code}`)
    assert.match(answer.headers.get('content-type') ?? '', /^application\/problem\+json/)
    assert.equal(answer.body.requestId, answer.headers.get('x-request-id'))
    assert.deepEqual(await counts(), beforeCall)
  })
}

test('the API names the field, what was given and what is right', async () => {
  const { body } = await app.call('POST', '/v1/tasks', { kind: 'skill:core/noop', retry: { attempts: 0 } })
  assert.deepEqual(body.findings[0].path, 'body.retry.attempts')
  assert.equal(body.findings[0].given, 0)
  assert.match(body.findings[0].message, />=1/)
})

test('an expired, a revoked and a lesser key are refused, and an ending one makes none without an end', async () => {
  /** Undefined where the key expired before the answer to its first use was there. */
  const keyInUse = async (lifeMs: number): Promise<string | undefined> => {
    const expiresAtMs = Date.now() + lifeMs
    const { key } = (
      await app.call('POST', '/v1/keys', { name: 'short', expiresAt: new Date(expiresAtMs).toISOString() })
    ).body
    const { status } = await app.call('GET', '/v1/runs', undefined, key)
    if (Date.now() >= expiresAtMs) return undefined
    assert.equal(status, 200)
    await until('its last moment', () => Date.now() > expiresAtMs)
    return key
  }
  const short = (await keyInUse(300)) ?? (await keyInUse(3000)) ?? (await keyInUse(20_000))
  assert.ok(short, 'no key lived long enough to be used')
  assert.equal((await app.call('GET', '/v1/runs', undefined, short)).status, 401)

  const reader = await app.call('POST', '/v1/keys', { name: 'reader', scopes: ['runs:read', 'keys:write'] })
  assert.equal((await app.call('GET', '/v1/runs', undefined, reader.body.key)).status, 200)
  const refused = await app.call('POST', '/v1/tasks', { kind: 'skill:core/noop' }, reader.body.key)
  assert.equal(refused.status, 403)
  assert.match(refused.body.detail, /tasks:write/)
  const more = await app.call('POST', '/v1/keys', { name: 'more', scopes: ['*'] }, reader.body.key)
  assert.equal(more.body.code, 'forbidden')

  const ending = { name: 'ending', expiresAt: '2100-01-01T00:00:00Z' }
  const { key: endingKey } = (await app.call('POST', '/v1/keys', ending)).body
  const endless = await app.call('POST', '/v1/keys', { name: 'endless' }, endingKey)
  assert.deepEqual([endless.status, endless.body.code], [403, 'key_outlives_maker'])
  assert.equal((await app.call('POST', '/v1/keys', ending, endingKey)).status, 201)

  await app.call('DELETE', `/v1/keys/${reader.body.id}`)
  assert.equal((await app.call('GET', '/v1/runs', undefined, reader.body.key)).status, 401)
})

test('a key is shown once and kept as a hash', async () => {
  const made = await app.call('POST', '/v1/keys', { name: 'once' })
  const listed = await app.call('GET', '/v1/keys')
  const { secret } = readKey(made.body.key) ?? assert.fail('no key')
  assert.ok(!JSON.stringify(listed.body).includes(secret))
})

for (const [title, source, code] of [
  ['loops for ever', 'export const main = () => { for (;;); }', 'function_timeout'],
  [
    'eats memory',
    'export const main = () => { const all = []; for (;;) all.push(new Array(10000).fill(1)) }',
    'function_memory',
  ],
] as const) {
  test(`a function that ${title} ends its task with ${code}, and others go on meanwhile`, async () => {
    const name = `bad-${code.replace('_', '-')}`
    const definition = {
      source,
      tools: [
        {
          name: 'main',
          description: 'A function that never ends well.',
          inputSchema: { type: 'object' },
          entry: 'main',
        },
      ],
    }
    const made = await app.call('POST', '/v1/skills', { name, kind: 'function', description: 'bad', definition })
    assert.equal(made.status, 201, JSON.stringify(made.body))
    const { body: bad } = await app.call('POST', '/v1/tasks', {
      kind: `skill:${name}/main`,
      input: {},
      retry: { attempts: 1 },
    })
    const { body: good } = await app.call('POST', '/v1/tasks', { kind: 'skill:core/echo', input: 1 })
    const ended = (id: string) =>
      until('the end of the task', async () => {
        const { body } = await app.call('GET', `/v1/tasks/${id}`)
        return body.finishedAt ? body : undefined
      })
    assert.equal((await ended(good.id)).status, 'completed')
    const dead = await ended(bad.id)
    assert.equal(dead.status, 'dead')
    assert.equal(dead.error.code, code, JSON.stringify(dead.error))
  })
}

test('an empty body of a named type is none where none is needed', async () => {
  const { body: made } = await app.call('POST', '/v1/keys', { name: 'empty', scopes: ['runs:read'] })
  assert.equal((await app.call('DELETE', `/v1/keys/${made.id}`, '')).status, 200)
})
