/** Limits, quotas and idempotency keys of a whole AIDOS, as a tenant meets them. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { before, test } from 'node:test'
import { startTestApp, type TestApp } from '../support/app.ts'

let app: TestApp
before(async () => {
  app = await startTestApp({ env: { RATE_LIMIT_TENANT_PER_MINUTE: '0', RATE_LIMIT_KEY_PER_MINUTE: '0' } })
})

const makeTenant = async (limits: Record<string, number>) => {
  const { id, key } = (await app.call('POST', '/v1/tenants', { name: `t-${randomUUID()}` })).body
  assert.equal((await app.call('PATCH', `/v1/tenants/${id}/limits`, limits)).status, 200)
  const call = (method: string, path: string, body?: Parameters<TestApp['call']>[2]) =>
    app.call(method, path, body, key)
  return { id: id as string, key: key as string, call }
}
const echo = { kind: 'skill:core/echo', input: 'x' }

test("a tenant's own limits go before the installation's, and are seen by the tenant and set by the operator alone", async () => {
  const { id, call } = await makeTenant({ requestsPerMinute: 4, tasksPerDay: 7 })
  const seen = await call('GET', '/v1/limits')
  assert.equal(seen.body.limits.tasksPerDay, 7)
  assert.equal(seen.headers.get('ratelimit-policy'), '"tenant";q=4;w=60')
  assert.equal((await call('PATCH', `/v1/tenants/${id}/limits`, { tasksPerDay: 0 })).status, 403)
  for (let i = 0; i < 2; i++) assert.equal((await call('GET', '/v1/limits')).status, 200)
  const refused = await call('GET', '/v1/limits')
  assert.equal(refused.status, 429)
  assert.ok(Number(refused.headers.get('retry-after')) > 0)
  const back = await app.call('PATCH', `/v1/tenants/${id}/limits`, { requestsPerMinute: null })
  assert.equal(back.body.requestsPerMinute, 0)
  assert.equal(back.body.tasksPerDay, 7)
  assert.equal((await call('GET', '/v1/limits')).status, 200)
  assert.equal((await app.call('PATCH', '/v1/tenants/none/limits', {})).status, 404)
})

test('tasks beyond the quota of the day are refused, and what was refused is not counted', async () => {
  const { call } = await makeTenant({ tasksPerDay: 2 })
  for (let i = 0; i < 2; i++) assert.equal((await call('POST', '/v1/tasks', echo)).status, 201)
  const refused = await call('POST', '/v1/tasks', echo)
  assert.equal(refused.status, 429)
  assert.equal(refused.body.code, 'quota_exceeded')
  const { quota, used, limit, reset } = refused.body.details
  assert.deepEqual({ quota, used, limit }, { quota: 'tasks', used: 2, limit: 2 })
  assert.match(reset, /T00:00:00\.000Z$/)
  const { today } = (await call('GET', '/v1/limits')).body
  assert.equal(today.tasks, 2)
  assert.ok(today.storage > 0)
})

test('runs and what they write are counted, and a schedule is held by the quota, too', async () => {
  const { call } = await makeTenant({ runsPerDay: 1 })
  const definition = { StartAt: 'A', States: { A: { Type: 'Pass', End: true } } }
  await call('POST', '/v1/workflows', { name: 'w', definition })
  assert.equal((await call('POST', '/v1/runs?wait=30000', { workflow: 'w' })).status, 201)
  assert.equal((await call('POST', '/v1/runs', { workflow: 'w' })).body.code, 'quota_exceeded')
  assert.equal((await call('GET', '/v1/limits')).body.today.runs, 1)
  await call('POST', '/v1/schedules', { name: 's', timing: { every: '1 day' }, target: { workflow: 'w' } })
  const fire = await call('POST', '/v1/schedules/s/trigger', {})
  assert.equal(fire.status, 201, JSON.stringify(fire.body))
  assert.equal((await call('GET', '/v1/limits')).body.today.runs, 1)
})

test('a repeated start gets its first answer though the quota is used up meanwhile, a new one does not', async () => {
  const { key, call } = await makeTenant({ runsPerDay: 2, tasksPerDay: 2 })
  const definition = { StartAt: 'A', States: { A: { Type: 'Pass', End: true } } }
  await call('POST', '/v1/workflows', { name: 'w', definition })
  const send = async (path: string, body: object, header: string): Promise<[number, string | undefined]> => {
    const headers = {
      authorization: `Bearer ${key}`,
      'content-type': 'application/json',
      ...(header === '' ? {} : { 'idempotency-key': header }),
    }
    const answer = await fetch(`${app.app.url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
    return [answer.status, ((await answer.json()) as { id?: string }).id]
  }
  for (const [path, body] of [
    ['/v1/runs', { workflow: 'w' }],
    ['/v1/tasks', echo],
  ] as const) {
    const inBody = { ...body, idempotencyKey: 'in the body' }
    const [first, second] = [await send(path, body, `${path}-1`), await send(path, inBody, '')]
    assert.deepEqual([first[0], second[0]], [201, 201])
    assert.equal((await send(path, body, ''))[0], 429)
    assert.deepEqual(await send(path, body, `${path}-1`), first)
    assert.deepEqual(await send(path, inBody, ''), [200, second[1]])
    assert.equal((await send(path, { ...body, idempotencyKey: 'another' }, ''))[0], 429)
    // What was refused is not the answer for good: the key is free.
    assert.equal((await send(path, body, `${path}-2`))[0], 429)
    assert.equal((await send(path, body, `${path}-2`))[0], 429)
  }
})

test('a run and a task tell in their first event of the trace that asked for them', async () => {
  const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
  const make = async (path: string, body: object, headers: Record<string, string>) => {
    const authorization = `Bearer ${app.app.key}`
    const all = { authorization, 'content-type': 'application/json', ...headers }
    const answer = await fetch(`${app.app.url}${path}`, { method: 'POST', headers: all, body: JSON.stringify(body) })
    const { id } = (await answer.json()) as { id: string }
    const [first] = (await app.call('GET', `${path}/${id}/events`)).body.items
    return [first.type.replace(/^task[.](queued|started)$/, 'task.made'), first.data.traceId]
  }
  const definition = { StartAt: 'A', States: { A: { Type: 'Task', Resource: 'signal:go', End: true } } }
  await app.call('POST', '/v1/workflows', { name: 'traced', definition })
  const traced = { traceparent: `00-${traceId}-00f067aa0ba902b7-01` }
  const noop = { kind: 'skill:core/noop' }
  assert.deepEqual(await make('/v1/runs', { workflow: 'traced' }, traced), ['run.created', traceId])
  assert.deepEqual(await make('/v1/tasks', noop, traced), ['task.made', traceId])
  assert.deepEqual(await make('/v1/tasks', { ...noop, delay: '1 hour' }, traced), ['task.scheduled', traceId])
  assert.deepEqual(await make('/v1/tasks', noop, {}), ['task.made', undefined])
})

test('a key that is made with an idempotency key is given again, the same', async () => {
  const send = () =>
    fetch(`${app.app.url}/v1/keys`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${app.app.key}`,
        'content-type': 'application/json',
        'idempotency-key': 'make-my-key',
      },
      body: JSON.stringify({ name: 'once' }),
    })
  const [first, again] = [await send(), await send()]
  assert.equal(first.status, 201)
  assert.equal(again.headers.get('idempotency-replayed'), 'true')
  assert.deepEqual(await again.json(), await first.json())
  const keys = (await app.call('GET', '/v1/keys')).body.items as { name: string }[]
  assert.equal(keys.filter(({ name }) => name === 'once').length, 1)
})
