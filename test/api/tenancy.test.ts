/** No tenant sees another's data: what belongs to somebody else answers exactly like what does not exist. */
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { type Answer, startTestApp, type TestApp } from '../support/app.ts'
import { until } from '../support/until.ts'

let app: TestApp
let other: string
const mine: Record<string, string> = {}
const NOBODY = '01a20000-0000-7000-8000-000000000000'

before(async () => {
  app = await startTestApp()
  other = (await app.call('POST', '/v1/tenants', { name: 'other' })).body.key
  const definition = { StartAt: 'A', States: { A: { Type: 'Task', Resource: 'signal:go', End: true } } }
  await app.call('POST', '/v1/workflows', { name: 'mine', definition })
  mine.run = (await app.call('POST', '/v1/runs', { workflow: 'mine' })).body.id
  mine.task = (await app.call('POST', '/v1/tasks', { kind: 'skill:core/fail', retry: { attempts: 1 } })).body.id
  await until('the dead letter', async () => (await app.call('GET', '/v1/dead-letters')).body.items.length === 1)
  mine.letter = (await app.call('GET', '/v1/dead-letters')).body.items[0].id
  mine.key = (await app.call('GET', '/v1/keys')).body.items[0].id
})

const plain = ({ body, status }: Answer, id: string): unknown => {
  const { requestId: _, ...rest } = body
  return JSON.parse(JSON.stringify({ status, ...rest }).replaceAll(id, 'ID'))
}

const CALLS: readonly [string, string, keyof typeof mine, object?][] = [
  ['GET', '/v1/runs/ID', 'run'],
  ['GET', '/v1/runs/ID/events', 'run'],
  ['GET', '/v1/runs/ID/stream', 'run'],
  ['GET', '/v1/runs/ID/steps', 'run'],
  ['POST', '/v1/runs/ID/cancel', 'run'],
  ['POST', '/v1/runs/ID/continue', 'run'],
  ['POST', '/v1/runs/ID/signals/go', 'run', {}],
  ['GET', '/v1/tasks/ID', 'task'],
  ['GET', '/v1/tasks/ID/events', 'task'],
  ['GET', '/v1/tasks/ID/stream', 'task'],
  ['POST', '/v1/tasks/ID/cancel', 'task'],
  ['POST', '/v1/tasks/ID/retry', 'task'],
  ['POST', '/v1/dead-letters/ID/redrive', 'letter'],
  ['DELETE', '/v1/dead-letters/ID', 'letter'],
  ['DELETE', '/v1/keys/ID', 'key'],
]

for (const [method, path, what, body] of CALLS) {
  test(`${method} ${path} of another tenant answers like an id that does not exist`, async () => {
    const id = mine[what] as string
    const theirs = await app.call(method, path.replace('ID', id), body as never, other)
    const nobodys = await app.call(method, path.replace('ID', NOBODY), body as never, other)
    assert.equal(theirs.status, 404, JSON.stringify(theirs.body))
    assert.deepEqual(plain(theirs, id), plain(nobodys, NOBODY))
  })
}

test('lists show nothing of another tenant, and names are free', async () => {
  for (const path of ['runs', 'tasks', 'dead-letters', 'agents', 'projects']) {
    assert.deepEqual((await app.call('GET', `/v1/${path}`, undefined, other)).body.items, [], path)
  }
  assert.equal((await app.call('GET', '/v1/workflows/mine', undefined, other)).body.code, 'workflow_not_found')
  assert.equal((await app.call('POST', '/v1/runs', { workflow: 'mine' }, other)).body.code, 'workflow_not_found')
  const definition = { StartAt: 'A', States: { A: { Type: 'Succeed' } } }
  const made = await app.call('POST', '/v1/workflows', { name: 'mine', definition }, other)
  assert.equal(made.body.version, 1)
})

test('a filter does not reach into another tenant', async () => {
  const { body } = await app.call('GET', `/v1/tasks?runId=${mine.run}`, undefined, other)
  assert.deepEqual(body.items, [])
})

test('only the operator sees and makes tenants', async () => {
  assert.equal((await app.call('GET', '/v1/tenants', undefined, other)).status, 403)
  assert.equal((await app.call('POST', '/v1/tenants', { name: 'third' }, other)).status, 403)
  assert.equal((await app.call('GET', '/v1/tenants')).body.items.length, 2)
})

test('each tenant has a folder of its own', async () => {
  const write = { kind: 'skill:files/write', input: { path: 'a.txt', content: 'secret' } }
  const task = (await app.call('POST', '/v1/tasks', write)).body
  await until('the file', async () => (await app.call('GET', `/v1/tasks/${task.id}`)).body.status === 'completed')
  const read = (
    await app.call(
      'POST',
      '/v1/tasks',
      { kind: 'skill:files/read', input: { path: 'a.txt' }, retry: { attempts: 1 } },
      other,
    )
  ).body
  await until(
    'the reading',
    async () => (await app.call('GET', `/v1/tasks/${read.id}`, undefined, other)).body.finishedAt !== null,
  )
  assert.equal((await app.call('GET', `/v1/tasks/${read.id}`, undefined, other)).body.status, 'dead')
})

test('a run still waits after all that was tried from outside', async () => {
  assert.equal((await app.call('GET', `/v1/runs/${mine.run}`)).body.waitingFor, 'signal:go')
})
