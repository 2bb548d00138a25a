/** What the audit log has of calls over the API: who, what, to which thing, from where; and that nothing takes it away. */
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { startTestApp, type TestApp } from '../support/app.ts'

let app: TestApp
interface Entry {
  readonly action: string
  readonly target: string | null
  readonly outcome: string
  readonly request: string
  readonly requestId: string
  readonly address: string
  readonly actor: { readonly kind: string; readonly name: string; readonly id: string }
}

before(async () => {
  app = await startTestApp()
})

const entries = async (query = ''): Promise<Entry[]> =>
  (await app.call('GET', `/v1/audit?limit=100${query}`)).body.items

test('each change over the API has one entry, with the thing as its routes address it', async () => {
  const definition = { StartAt: 'A', States: { A: { Type: 'Task', Resource: 'signal:go', End: true } } }
  await app.call('POST', '/v1/workflows', { name: 'flow', definition })
  const run = (await app.call('POST', '/v1/runs', { workflow: 'flow' })).body.id
  await app.call('POST', `/v1/runs/${run}/signals/go`, {})
  await app.call('POST', '/v1/agents', { name: 'clerk', config: { model: {}, instructions: 'Say yes.' } })
  const key = (await app.call('POST', '/v1/keys', { name: 'ci', role: 'viewer' })).body
  await app.call('POST', `/v1/keys/${key.id}/rotate`, {})
  await app.call('PUT', '/v1/secrets/A', { value: 'geheim' })
  await app.call('DELETE', '/v1/secrets/A')
  const task = (await app.call('POST', '/v1/tasks', { kind: 'skill:core/noop' })).body.id
  const seen = (await entries()).map(({ action, target, outcome, request }) => [action, target, outcome, request])
  assert.deepEqual(seen.reverse(), [
    ['workflow.created', 'flow', 'done', 'POST /v1/workflows'],
    ['run.created', run, 'done', 'POST /v1/runs'],
    ['signal.sent', run, 'done', 'POST /v1/runs/:id/signals/:name'],
    ['agent.created', 'clerk', 'done', 'POST /v1/agents'],
    ['key.created', key.id, 'done', 'POST /v1/keys'],
    ['key.rotated', key.id, 'done', 'POST /v1/keys/:id/rotate'],
    ['secret.created', 'A', 'done', 'PUT /v1/secrets/:name'],
    ['secret.deleted', 'A', 'done', 'DELETE /v1/secrets/:name'],
    ['task.started', task, 'done', 'POST /v1/tasks'],
  ])
})

test('an entry says who called and from where, by the request id of the answer', async () => {
  const answer = await app.call('POST', '/v1/projects', { name: 'p' })
  const [entry] = await entries('&action=project.created')
  assert.equal(entry?.requestId, answer.headers.get('x-request-id'))
  assert.deepEqual([entry?.actor.kind, entry?.actor.name, entry?.address], ['key', 'first key', '127.0.0.1'])
  assert.equal((await entries(`&actor=${entry?.actor.id}&action=project.created`)).length, 1)
})

test('what is only read or refused as wrong leaves no entry; what is denied does', async () => {
  const viewer = (await app.call('POST', '/v1/keys', { name: 'watcher', role: 'viewer' })).body.key
  const count = (await entries()).length
  await app.call('GET', '/v1/runs', undefined, viewer)
  await app.call('POST', '/v1/projects', { name: '' })
  await app.call('POST', '/v1/projects', { name: 'p' })
  await app.call('POST', '/v1/workflows/validate', { definition: {} })
  assert.equal((await entries()).length, count)
  assert.equal((await app.call('POST', '/v1/projects', { name: 'q' }, viewer)).status, 403)
  const [denied, ...others] = await entries('&outcome=denied')
  assert.deepEqual([denied?.action, denied?.actor.name, others], ['projects:write', 'watcher', []])
})

test('a bad key or token leaves an entry in the operator’s log, and its text does not; no key at all leaves none', async () => {
  const failed = () => entries('&action=sign_in.failed')
  await app.call('GET', '/v1/runs', undefined, null)
  assert.deepEqual(await failed(), [])
  const answer = await app.call('GET', '/v1/runs', undefined, 'aidos_wrong-secret')
  assert.equal(answer.status, 401)
  await app.call('POST', '/v1/projects', { name: 'p' }, 'head.wrong-secret.signature')
  const [token, key, ...others] = await failed()
  assert.deepEqual(others, [])
  const shown = (entry?: Entry) => [
    entry?.actor.kind,
    entry?.actor.id,
    entry?.actor.name,
    entry?.outcome,
    entry?.request,
  ]
  assert.deepEqual(shown(key), ['nobody', '127.0.0.1', 'key', 'denied', 'GET /v1/runs'])
  assert.deepEqual(shown(token), ['nobody', '127.0.0.1', 'token', 'denied', 'POST /v1/projects'])
  assert.equal(key?.requestId, answer.headers.get('x-request-id'))
  assert.doesNotMatch(JSON.stringify([token, key]), /wrong-secret/)
})

test('nobody but owners and admins reads it, and no route changes it', async () => {
  const operator = (await app.call('POST', '/v1/keys', { name: 'op', role: 'operator' })).body.key
  assert.equal((await app.call('GET', '/v1/audit', undefined, operator)).status, 403)
  const { paths } = (await app.call('GET', '/openapi.json')).body as { paths: Record<string, object> }
  const ofAudit = Object.entries(paths).filter(([path]) => path.includes('audit'))
  assert.deepEqual(
    ofAudit.map(([path, methods]) => [path, Object.keys(methods)]),
    [['/v1/audit', ['get']]],
  )
})

test('another tenant has a log of its own', async () => {
  const other = (await app.call('POST', '/v1/tenants', { name: 'other' })).body.key
  await app.call('POST', '/v1/projects', { name: 'theirs' }, other)
  const { items } = (await app.call('GET', '/v1/audit', undefined, other)).body
  assert.deepEqual(
    items.map(({ action, target }: Entry) => [action, target]),
    [['project.created', 'theirs']],
  )
})
