import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { DATABASES } from '../../test/support/databases.ts'
import { makeRoutesServer } from '../../test/support/routes-server.ts'
import { type FakeClock, makeFakeClock } from '../platform/clock.ts'
import type { HttpServer } from '../platform/http/server.ts'
import { makeScheduleRoutes } from './routes.ts'
import type { ScheduleService } from './service.ts'
import { makeHandTargets, makeTestSchedules } from './testing.ts'

describe('routes of schedules', () => {
  let server: HttpServer
  let schedules: ScheduleService
  let clock: FakeClock
  const tenants: Record<string, string> = { ours: randomUUID(), theirs: randomUUID(), reader: randomUUID() }
  before(async () => {
    clock = makeFakeClock()
    schedules = makeTestSchedules({ ...(await DATABASES[0]!.open()), clock, targets: makeHandTargets() })
    server = await makeRoutesServer({ routes: makeScheduleRoutes(schedules), tenants, readerMay: 'schedules:read' })
  })
  after(() => server.close())

  const send = async (method: 'GET' | 'POST' | 'PUT' | 'DELETE', url: string, body?: object, as = 'ours') => {
    const request = { method, url: `/v1/schedules${url}`, headers: { authorization: as } }
    const answer = await server.inject({ ...request, ...(body && { payload: body }) })
    return { status: answer.statusCode, body: answer.body === '' ? undefined : answer.json() }
  }
  const definition = { timing: { cron: '0 9 * * *', timeZone: 'Europe/Berlin' }, target: { workflow: 'report' } }

  test('make, read, change, pause, resume and delete a schedule', async () => {
    const made = await send('POST', '', { name: 'daily', ...definition })
    assert.equal(made.status, 201)
    const { id, createdAt: _, updatedAt: __, ...rest } = made.body
    assert.match(id, /^[0-9a-f-]{36}$/)
    assert.deepEqual(rest, {
      name: 'daily',
      projectId: null,
      status: 'active',
      ...definition,
      input: null,
      startAt: null,
      endAt: null,
      maxFires: null,
      jitter: 0,
      overlap: 'skip',
      missed: 'fire-once',
      catchUp: 86_400_000,
      failing: { after: 3, pause: false },
      priority: 'normal',
      timeout: null,
      nextAt: '2026-01-01T08:00:00.000Z',
      fires: 0,
      failures: 0,
    })
    assert.deepEqual((await send('GET', '/daily')).body, made.body)
    const changed = await send('PUT', '/daily', { ...definition, overlap: 'allow', timing: { every: '2 h' } })
    assert.deepEqual(
      [changed.status, changed.body.overlap, changed.body.nextAt],
      [200, 'allow', '2026-01-01T02:00:00.000Z'],
    )
    const paused = await send('POST', '/daily/pause')
    assert.deepEqual([paused.status, paused.body.status, paused.body.nextAt], [200, 'paused', null])
    assert.equal((await send('POST', '/daily/pause')).body.code, 'schedule_not_active')
    assert.equal((await send('POST', '/daily/resume')).body.status, 'active')
    assert.equal((await send('DELETE', '/daily')).status, 204)
    assert.equal((await send('GET', '/daily')).body.code, 'schedule_not_found')
  })

  test('preview the times of a stored schedule and of one that is not', async () => {
    await send('POST', '', { name: 'previewed', ...definition, jitter: '10 min', maxFires: 2 })
    const stored = (await send('GET', '/previewed/preview?from=2026-03-28T00:00:00Z&count=5')).body.items
    assert.deepEqual(
      stored.map(({ plannedAt }: { plannedAt: string }) => plannedAt),
      ['2026-03-28T08:00:00.000Z', '2026-03-29T07:00:00.000Z'],
    )
    const delayMs = Date.parse(stored[0].dueAt) - Date.parse(stored[0].plannedAt)
    assert.ok(delayMs > 0 && delayMs < 600_000)
    const other = await send('POST', '/preview?count=2', { ...definition, timing: { cron: '*/30 * * * * *' } })
    assert.deepEqual(other.body.items, [
      { plannedAt: '2026-01-01T00:00:30.000Z' },
      { plannedAt: '2026-01-01T00:01:00.000Z' },
    ])
  })

  test('fire by hand and for the past, and page through the history', async () => {
    await send('POST', '', { name: 'fired', timing: { every: '1 h' }, target: { task: 'ring' }, overlap: 'allow' })
    const fire = await send('POST', '/fired/trigger', { input: 7 })
    assert.deepEqual(
      [fire.status, fire.body.cause, fire.body.status, fire.body.runId],
      [201, 'trigger', 'started', null],
    )
    assert.match(fire.body.taskId, /^schedule:/)
    clock.advance(3 * 3_600_000)
    const range = { from: '2026-01-01T00:00:00Z', until: '2026-01-01T03:00:00Z' }
    // The sweep has not looked yet: of the range, only the anchor is nobody's.
    assert.deepEqual((await send('POST', '/fired/backfill', range)).body, { count: 1 })
    await schedules.sweep()
    const backfill = await send('POST', '/fired/backfill', { ...range, overlap: 'allow' })
    assert.deepEqual([backfill.status, backfill.body], [202, { count: 2 }])
    const first = (await send('GET', '/fired/fires?limit=2')).body
    assert.deepEqual(
      first.items.map(({ plannedAt, cause }: Record<string, string>) => [plannedAt, cause]),
      [
        ['2026-01-01T03:00:00.000Z', 'planned'],
        ['2026-01-01T02:00:00.000Z', 'backfill'],
      ],
    )
    const rest = (await send('GET', `/fired/fires?limit=10&cursor=${first.nextCursor}`)).body
    assert.deepEqual([rest.items.length, rest.nextCursor], [3, null])
    assert.equal((await send('GET', '/fired/fires?status=skipped')).body.items.length, 0)
  })

  test("answer for another tenant's schedule as for none, and ask for the permission to write", async () => {
    await send('POST', '', { name: 'private', ...definition })
    const calls: ['GET' | 'POST' | 'PUT' | 'DELETE', string, object?][] = [
      ['GET', ''],
      ['GET', '/preview'],
      ['GET', '/fires'],
      ['PUT', '', definition],
      ['DELETE', ''],
      ['POST', '/pause'],
      ['POST', '/resume'],
      ['POST', '/trigger', {}],
      ['POST', '/backfill', { from: '2026-01-01T00:00:00Z', until: '2026-01-01T00:00:00Z' }],
    ]
    for (const [method, path, body] of calls) {
      const theirs = await send(method, `/private${path}`, body, 'theirs')
      assert.deepEqual([theirs.status, theirs.body.code], [404, 'schedule_not_found'], `${method} ${path}`)
      const read = await send(method, `/private${path}`, body, 'reader')
      assert.equal(read.status, method === 'GET' ? 404 : 403, `${method} ${path}`)
    }
    assert.deepEqual((await send('GET', '', undefined, 'theirs')).body, { items: [], nextCursor: null })
  })

  test('refuse what is wrong with its place, and tell what would be right', async () => {
    const details: string[] = []
    const wrong: [object, string, string][] = [
      [{ ...definition, owner: 'me' }, 'request_invalid', 'body.owner'],
      [{ ...definition, target: {} }, 'request_invalid', 'body.target'],
      [{ ...definition, timing: { cron: 'x' } }, 'schedule_invalid', 'timing.cron'],
      [{ ...definition, timing: { cron: '* * * * *', timeZone: 'Mars/X' } }, 'schedule_invalid', 'timing.timeZone'],
      [{ ...definition, timing: { cron: '* * *' } }, 'schedule_invalid', 'timing.cron'],
      [{ ...definition, timing: {} }, 'request_invalid', 'body.timing'],
      [{ ...definition, startAt: 'soon' }, 'request_invalid', 'body.startAt'],
      [{ ...definition, timing: { every: '10 ms' } }, 'schedule_invalid', 'timing.every'],
      [{ ...definition, input: { a: '{% ( %}' } }, 'schedule_invalid', 'input.a'],
    ]
    for (const [body, code, path] of wrong) {
      const answer = await send('POST', '', { name: 'wrong', ...body })
      const [finding] = answer.body.findings
      assert.deepEqual([answer.status, answer.body.code, finding.path], [400, code, path])
      assert.ok(answer.body.detail.includes(`${path}: ${finding.message}`), answer.body.detail)
      details.push(finding.message)
    }
    for (const help of [
      'five fields, or six',
      'such as Europe/Berlin',
      '{ cron, timeZone? } or { every, anchor? } or { at }',
      'such as 2030-01-31T12:00:00Z',
    ]) {
      assert.ok(
        details.some((detail) => detail.includes(help)),
        `${help} in ${details.join('\n')}`,
      )
    }
  })
})
