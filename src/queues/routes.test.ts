import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { before, describe, test } from 'node:test'
import { DATABASES } from '../../test/support/databases.ts'
import { makeRoutesServer } from '../../test/support/routes-server.ts'
import { makeLocalBus } from '../platform/bus/bus.ts'
import { systemClock as clock } from '../platform/clock.ts'
import type { HttpServer } from '../platform/http/server.ts'
import { makeLocalQueue } from '../platform/queue/local-queue.ts'
import { makeLocalWindow } from '../platform/queue/local-window.ts'
import { makeQueueRoutes } from './routes.ts'
import { makeQueueService, type QueueService } from './service.ts'

const [sqlite] = DATABASES
const operator = randomUUID()
const ann = randomUUID()

describe('routes of queues', () => {
  let server: HttpServer
  let queues: QueueService
  before(async () => {
    const { db } = await (sqlite as (typeof DATABASES)[number]).open()
    await db.transaction(async (tx) => {
      const rows = [operator, ann].map((id) => ({ id, name: id, status: 'active', created_at: 0 }))
      await tx.withTables<{ tenants: (typeof rows)[number] }>().insertInto('tenants').values(rows).execute()
    })
    const queue = makeLocalQueue({ clock, onError: () => {} })
    const window = makeLocalWindow({ clock, windowSize: 10 })
    await queue.add([{ id: '1', partition: 'tasks', tenantId: ann, priority: 3 }])
    await window.enter('tasks', [{ id: '1', tenantId: ann, weight: 1, limits: {}, keyLimits: {} }], false)
    queues = makeQueueService({ db, bus: makeLocalBus(), clock, onError: () => {} })
    await queues.start()
    server = await makeRoutesServer({
      routes: makeQueueRoutes({
        ...{ queues, queue, window },
        operatorId: () => operator,
        backlog: async (partition, tenantId) =>
          partition === 'tasks' ? { queued: tenantId === undefined ? 9 : 1, dead: 2 } : { queued: 0, dead: 0 },
      }),
      tenants: { operator, ann, reader: ann },
      readerMay: 'queues:read',
    })
  })

  const call = async (caller: string, method: 'GET' | 'POST' | 'PUT' | 'DELETE', url: string, body?: object) => {
    const answer = await server.inject({
      ...{ method, url, headers: { authorization: caller } },
      ...(body && { payload: body }),
    })
    return { status: answer.statusCode, body: answer.body === '' ? null : answer.json() }
  }

  test('GET /v1/queues shows a tenant its own, and the operator all', async () => {
    const own = await call('ann', 'GET', '/v1/queues')
    const tasks = own.body.items.find((item: { name: string }) => item.name === 'tasks')
    assert.deepEqual(tasks, { name: 'tasks', paused: false, ownPaused: false, queued: 1, dead: 2 })
    const all = await call('operator', 'GET', '/v1/queues')
    assert.deepEqual(all.body.items.find((item: { name: string }) => item.name === 'tasks').all, {
      ...{ waiting: 1, delayed: 0, active: 0, inside: 1, room: 9, queued: 9, dead: 2 },
    })
    assert.equal(all.body.items.length, 5)
  })

  test('POST /v1/queues/:partition/pause pauses for all by the operator alone', async () => {
    const refused = await call('ann', 'POST', '/v1/queues/tasks/pause', {})
    assert.deepEqual([refused.status, refused.body.code], [403, 'operator_only'])
    assert.equal((await call('operator', 'POST', '/v1/queues/tasks/pause')).body.paused, true)
    const seen = await call('ann', 'GET', '/v1/queues')
    assert.equal(seen.body.items.find((item: { name: string }) => item.name === 'tasks').paused, true)
    assert.equal((await call('operator', 'POST', '/v1/queues/tasks/resume')).body.paused, false)
    assert.equal(queues.rules.isPaused('tasks', ann), false)
  })

  test('POST /v1/queues/:partition/pause with a tenant pauses its work there', async () => {
    assert.equal((await call('ann', 'POST', '/v1/queues/agents/pause', { tenantId: ann })).status, 200)
    assert.deepEqual(
      [queues.rules.isPaused('agents', ann), queues.rules.isPaused('tasks', ann), queues.rules.isPaused('agents', 'b')],
      [true, false, false],
    )
    assert.equal((await call('ann', 'POST', '/v1/queues/agents/pause', { tenantId: operator })).status, 403)
    assert.equal((await call('operator', 'POST', '/v1/queues/agents/resume', { tenantId: ann })).status, 200)
    assert.equal(queues.rules.isPaused('agents', ann), false)
  })

  test('an unknown queue is named, with those that there are', async () => {
    const answer = await call('operator', 'POST', '/v1/queues/task/pause')
    assert.equal(answer.status, 404)
    assert.match(answer.body.detail, /no queue "task"; the queues are agents, workflow/)
  })

  test('PUT, GET and DELETE /v1/queues/rules', async () => {
    const limit = { key: 'crm', concurrency: 2, rate: { count: 10, per: '1 minute' } }
    const set = await call('ann', 'PUT', '/v1/queues/rules', limit)
    assert.equal(set.status, 200)
    assert.deepEqual(set.body.rate, { count: 10, per: 60_000 })
    const listed = await call('ann', 'GET', '/v1/queues/rules')
    assert.deepEqual(
      listed.body.items.map((rule: { key: string; concurrency: number }) => [rule.key, rule.concurrency]),
      [['crm', 2]],
    )
    assert.equal((await call('ann', 'DELETE', '/v1/queues/rules?key=crm')).status, 204)
    assert.equal((await call('ann', 'DELETE', '/v1/queues/rules?key=crm')).status, 404)
  })

  test('GET /v1/queues/rules is paged, in the order of queues and keys', async () => {
    const places: Record<string, string>[] = [
      { key: '*' },
      { key: 'a "key", ünusual' },
      { key: 'b' },
      { partition: 'tasks', key: '*' },
      { partition: 'tasks', key: 'b' },
    ]
    for (const place of places.toReversed()) await call('ann', 'PUT', '/v1/queues/rules', { ...place, concurrency: 2 })
    const all = (await call('ann', 'GET', '/v1/queues/rules')).body
    assert.deepEqual([all.items.length, all.nextCursor], [places.length, null])
    const seen = []
    for (let cursor = ''; ; ) {
      const page = (await call('ann', 'GET', `/v1/queues/rules?limit=2${cursor}`)).body
      assert.ok(page.items.length <= 2)
      seen.push(...page.items)
      if (page.nextCursor === null) break
      cursor = `&cursor=${page.nextCursor}`
    }
    assert.deepEqual(seen, all.items)
    assert.equal((await call('ann', 'GET', '/v1/queues/rules?cursor=zzz')).body.code, 'cursor_invalid')
    for (const place of places) await call('ann', 'DELETE', `/v1/queues/rules?${new URLSearchParams(place)}`)
  })

  test('a tenant sees and sets nothing of another, nor its own limits; the operator does', async () => {
    assert.equal((await call('ann', 'GET', `/v1/queues/rules?tenantId=${operator}`)).status, 403)
    assert.equal((await call('ann', 'PUT', '/v1/queues/rules', { concurrency: 3 })).body.code, 'operator_only')
    const set = await call('operator', 'PUT', '/v1/queues/rules', { tenantId: ann, concurrency: 3, weight: 2 })
    assert.deepEqual([set.body.concurrency, set.body.weight], [3, 2])
    assert.equal((await call('operator', 'GET', `/v1/queues/rules?tenantId=${ann}`)).body.items.length, 1)
    assert.equal((await call('operator', 'DELETE', `/v1/queues/rules?tenantId=${ann}`)).status, 204)
  })

  test('who may only read changes nothing', async () => {
    assert.equal((await call('reader', 'GET', '/v1/queues')).status, 200)
    assert.equal((await call('reader', 'PUT', '/v1/queues/rules', { paused: true })).status, 403)
    assert.equal((await call('reader', 'POST', '/v1/queues/tasks/pause', { tenantId: ann })).status, 403)
  })

  test('nonsense is refused', async () => {
    for (const body of [
      {},
      { concurrency: 0 },
      { key: 'k', rate: { count: 1, per: '2 days' } },
      { key: 'k', paused: true },
      { weight: 1.5 },
      { limit: 3 },
    ]) {
      const { status } = await call('operator', 'PUT', '/v1/queues/rules', { tenantId: ann, ...body })
      assert.ok(status === 400 || status === 422, `${JSON.stringify(body)}: ${status}`)
    }
  })
})
