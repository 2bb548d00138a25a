import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import test, { after, before, describe } from 'node:test'
import { wholeFile } from '../../test/support/cleanup.ts'
import { DATABASES } from '../../test/support/databases.ts'
import { makeRoutesServer } from '../../test/support/routes-server.ts'
import type { HttpServer } from '../platform/http/server.ts'
import { makeSkillRoutes } from './routes.ts'
import { functionOf, makeTestSkills } from './testing-service.ts'

describe('routes of skills', () => {
  let server: HttpServer
  const tenants: Record<string, string> = { ours: randomUUID(), theirs: randomUUID(), reader: randomUUID() }
  before(async () => {
    const { skills } = makeTestSkills((await DATABASES[0]!.open()).db, wholeFile)
    server = await makeRoutesServer({ routes: makeSkillRoutes(skills), tenants, readerMay: 'skills:read' })
  })
  after(() => server.close())

  const send = async (method: 'GET' | 'POST' | 'PUT' | 'DELETE', url: string, body?: object, as = 'ours') => {
    const answer = await server.inject({
      method,
      url: `/v1/skills${url}`,
      headers: { authorization: as },
      ...(body && { payload: body }),
    })
    return { status: answer.statusCode, body: answer.json() }
  }
  const skill = { name: 'greeter', kind: 'function', description: 'Greets.', definition: functionOf('return "hi"') }

  test('make, read, change and archive a skill', async () => {
    const made = await send('POST', '', skill)
    assert.equal(made.status, 201)
    const { createdAt, updatedAt, ...rest } = made.body
    assert.match(createdAt, /^2026-01-01T/)
    assert.deepEqual(rest, {
      ...skill,
      status: 'active',
      version: 1,
      projectId: null,
      tools: [{ name: 'run', description: 'Runs.', inputSchema: { type: 'object' } }],
    })
    assert.deepEqual((await send('GET', '/greeter')).body, made.body)
    const next = await send('PUT', '/greeter', { definition: functionOf('return "ho"') })
    assert.deepEqual([next.status, next.body.version], [200, 2])
    assert.deepEqual((await send('GET', '/greeter?version=1')).body.definition, skill.definition)
    const archived = await send('DELETE', '/greeter')
    assert.deepEqual([archived.status, archived.body.status], [200, 'archived'])
  })

  test('list skills page by page, without their definitions', async () => {
    await send('POST', '', { ...skill, name: 'lister' })
    const first = (await send('GET', '?limit=3&status=active')).body
    assert.equal(first.items[0].name, 'lister')
    assert.equal('definition' in first.items[0], false)
    const rest = (await send('GET', `?limit=50&status=active&cursor=${first.nextCursor}`)).body
    assert.equal(rest.nextCursor, null)
    const names = [...first.items, ...rest.items].map(({ name }: { name: string }) => name)
    assert.deepEqual(names, ['lister', 'text', 'http', 'files', 'data', 'core'])
    assert.equal(rest.items.at(-1).createdAt, null)
  })

  test("answer for another tenant's skill as for none", async () => {
    await send('POST', '', { ...skill, name: 'private' })
    const change = { definition: skill.definition }
    for (const [method, body] of [['GET'], ['PUT', change], ['DELETE']] as const) {
      const theirs = await send(method, '/private', body, 'theirs')
      const nobodys = await send(method, '/absent', body, 'theirs')
      const told = JSON.stringify({ ...theirs.body, requestId: '' }).replaceAll('private', 'absent')
      assert.deepEqual([theirs.status, told], [404, JSON.stringify({ ...nobodys.body, requestId: '' })])
    }
    assert.equal((await send('GET', '/private')).body.status, 'active')
  })

  test('refuse what is wrong with its code and place', async () => {
    const wrong: [body: object, status: number, code: string, path?: string][] = [
      [{ ...skill, owner: 'me' }, 400, 'request_invalid'],
      [{ ...skill, kind: 'builtin' }, 400, 'request_invalid'],
      [{ ...skill, definition: 'x' }, 400, 'request_invalid'],
      [{ ...skill, definition: {} }, 400, 'skill_invalid', '/definition/source'],
      [{ ...skill, name: 'not a name' }, 400, 'skill_invalid', '/name'],
      [{ ...skill, name: 'core' }, 409, 'skill_exists'],
    ]
    for (const [body, status, code, path] of wrong) {
      const answer = await send('POST', '', body)
      assert.deepEqual([answer.status, answer.body.code], [status, code])
      if (path !== undefined) assert.equal(answer.body.findings[0].path, path)
    }
    assert.equal((await send('PUT', '/core', { definition: {} })).body.code, 'skill_builtin')
    assert.equal((await send('GET', '/core?version=0')).body.code, 'request_invalid')
  })

  test('ask for the permission to write', async () => {
    assert.equal((await send('GET', '/core', undefined, 'reader')).status, 200)
    assert.equal((await send('POST', '', skill, 'reader')).status, 403)
    assert.equal((await send('PUT', '/core', { definition: {} }, 'reader')).status, 403)
    assert.equal((await send('DELETE', '/core', undefined, 'reader')).status, 403)
  })
})
