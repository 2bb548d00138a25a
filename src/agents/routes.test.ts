import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { wholeFile } from '../../test/support/cleanup.ts'
import { DATABASES } from '../../test/support/databases.ts'
import { makeRoutesServer } from '../../test/support/routes-server.ts'
import { makeFakeClock } from '../platform/clock.ts'
import type { HttpServer } from '../platform/http/server.ts'
import { makeIdGenerator } from '../platform/ids.ts'
import { makeTestSkills } from '../skills/testing-service.ts'
import { makeAgentRoutes } from './routes.ts'
import { makeAgentService } from './service.ts'
import { compileSchema, makeTestModel, revealSecret } from './testing.ts'

describe('routes of agents', () => {
  let server: HttpServer
  const { model, stop } = makeTestModel()
  const tenants: Record<string, string> = { ours: randomUUID(), theirs: randomUUID(), reader: randomUUID() }
  before(async () => {
    const { db } = await DATABASES[0]!.open()
    const clock = makeFakeClock()
    const agents = makeAgentService({
      db,
      clock,
      makeId: makeIdGenerator(clock.now),
      skills: makeTestSkills(db, wholeFile).skills,
      model,
      defaultModel: { baseUrl: 'http://127.0.0.1:1/v1', apiKey: undefined, model: 'm' },
      compileSchema,
      revealSecret,
    })
    server = await makeRoutesServer({ routes: makeAgentRoutes(agents), tenants, readerMay: 'agents:read' })
  })
  after(() => server.close())
  after(stop)

  const send = async (method: 'GET' | 'POST' | 'PUT', url: string, body?: object, as = 'ours') => {
    const answer = await server.inject({
      method,
      url: `/v1/agents${url}`,
      headers: { authorization: as },
      ...(body && { payload: body }),
    })
    return { status: answer.statusCode, body: answer.json() }
  }
  const config = { instructions: 'You are a clerk.', skills: ['core/echo'] }

  test('make, change, activate and read an agent', async () => {
    const made = await send('POST', '', { name: 'clerk', type: 'office', config })
    assert.equal(made.status, 201)
    const { id, createdAt, updatedAt, ...rest } = made.body
    assert.match(createdAt, /^2026-01-01T/)
    assert.deepEqual(rest, {
      name: 'clerk',
      type: 'office',
      projectId: null,
      status: 'draft',
      version: 1,
      latestVersion: 1,
      config: { model: {}, ...config, budgets: { turns: 20 } },
    })
    assert.deepEqual((await send('GET', '/clerk')).body, made.body)
    const next = await send('PUT', '/clerk', { config: { instructions: 'Be kind.' } })
    assert.deepEqual([next.status, next.body.version], [200, 2])
    const active = await send('POST', '/clerk/activate')
    assert.deepEqual([active.status, active.body.status], [200, 'active'])
    const first = await send('GET', '/clerk?version=1')
    assert.deepEqual([first.body.version, first.body.latestVersion, first.body.config.skills], [1, 2, ['core/echo']])
    const missing = await send('GET', '/clerk?version=9')
    assert.deepEqual([missing.status, missing.body.code], [404, 'agent_version_not_found'])
  })

  test('a move that is not allowed answers 409 with the allowed ones', async () => {
    await send('POST', '', { name: 'drafted', config })
    const { status, body } = await send('POST', '/drafted/resume')
    assert.deepEqual(
      [status, body.code, body.details],
      [409, 'agent_move_not_allowed', { move: 'resume', status: 'draft', allowed: ['activate', 'archive'] }],
    )
  })

  test('a list is filtered and paged', async () => {
    for (const name of ['p1', 'p2', 'p3']) await send('POST', '', { name, type: 'paged', config })
    const one = await send('GET', '?type=paged&limit=2')
    assert.deepEqual(
      one.body.items.map(({ name }: { name: string }) => name),
      ['p3', 'p2'],
    )
    assert.equal(one.body.items[0].config, undefined)
    const two = await send('GET', `?type=paged&limit=2&cursor=${one.body.nextCursor}`)
    assert.deepEqual([two.body.items.length, two.body.items[0].name, two.body.nextCursor], [1, 'p1', null])
    assert.deepEqual((await send('GET', '?type=paged&status=active')).body.items, [])
    assert.equal((await send('GET', '?sort=name')).status, 400)
  })

  test('a wrong body is refused field by field', async () => {
    const send400 = async (body: object) => {
      const answer = await send('POST', '', body)
      assert.deepEqual([answer.status, answer.body.code], [400, 'request_invalid'], JSON.stringify(answer.body))
      return answer.body.detail as string
    }
    assert.match(await send400({ name: 'x', config: { ...config, budget: {} } }), /body\.config\.budget: .*budgets/)
    assert.match(
      await send400({ name: 'x', config: { ...config, model: { apiKey: 'k' } } }),
      /body\.config\.model\.apiKey: .*\$secret/,
    )
    assert.match(await send400({ name: 'no spaces', config }), /body\.name/)
    assert.equal((await send('GET', '/x')).status, 404)
    const skill = await send('POST', '', { name: 'x', config: { ...config, skills: ['nowhere'] } })
    assert.deepEqual([skill.status, skill.body.code], [422, 'skill_not_found'])
  })

  test("another tenant's agent answers like one that does not exist; a reader may not write", async () => {
    await send('POST', '', { name: 'secret', config })
    const foreign = await send('GET', '/secret', undefined, 'theirs')
    const missing = await send('GET', '/secreu', undefined, 'theirs')
    assert.equal(foreign.status, 404)
    assert.equal(foreign.body.detail.replace('secret', 'secreu'), missing.body.detail)
    assert.equal((await send('POST', '/secret/activate', undefined, 'reader')).status, 403)
    assert.equal((await send('GET', '', undefined, 'reader')).status, 200)
  })

  test('the documentation has every move', async () => {
    const { paths } = (await server.inject('/openapi.json')).json()
    for (const move of ['activate', 'pause', 'resume', 'drain', 'archive'])
      assert.equal(typeof paths[`/v1/agents/{name}/${move}`].post.summary, 'string')
  })
})
