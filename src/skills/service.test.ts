import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import test, { before, describe } from 'node:test'
import { wholeFile } from '../../test/support/cleanup.ts'
import { DATABASES } from '../../test/support/databases.ts'
import type { Database } from '../platform/db/database.ts'
import type { Json } from '../platform/json.ts'
import { failureOf, makeToolCall, startServer } from './testing.ts'
import { CACHE_MS, functionOf, makeTestSkills, type TestSkills } from './testing-service.ts'

const kind = 'function'
const one = { name: 'sums', kind, description: 'Adds.', definition: functionOf('return 1') } as const
const two = { ...one, definition: functionOf('return 2') }

for (const { name: database, open } of DATABASES) {
  describe(`skills on ${database}`, () => {
    let db: Database
    before(async () => {
      db = (await open()).db
    })
    const run = async ({ skills, tenantId }: TestSkills, taskKind: string, input: Json = {}): Promise<Json> =>
      (await skills.toolHandler(tenantId, taskKind)).run(input, makeToolCall())

    test('create() stores version 1 and its event', async () => {
      const { skills, tenantId, events } = makeTestSkills(db, wholeFile)
      const skill = await skills.create(tenantId, 'project-1', one)
      assert.deepEqual([skill.version, skill.status, skill.projectId], [1, 'active', 'project-1'])
      assert.deepEqual(skill.tools, [{ name: 'run', description: 'Runs.', inputSchema: { type: 'object' } }])
      assert.deepEqual(await skills.find(tenantId, 'sums'), skill)
      assert.deepEqual(await events(), ['skill.created sums 1'])
    })

    test('create() refuses a name that is taken, also by a builtin skill', async () => {
      const { skills, tenantId, events } = makeTestSkills(db, wholeFile)
      await skills.create(tenantId, null, one)
      for (const name of ['sums', 'core'])
        assert.equal((await failureOf(skills.create(tenantId, null, { ...two, name }))).code, 'skill_exists')
      assert.equal(await run({ skills, tenantId } as TestSkills, 'skill:sums/run'), 1)
      assert.equal((await events()).length, 1)
    })

    test('addVersion() adds a version only when something differs, and leaves those before as they are', async () => {
      const { skills, tenantId, clock, events } = makeTestSkills(db, wholeFile)
      const first = await skills.create(tenantId, null, one)
      clock.advance(1000)
      const { source, tools } = one.definition
      assert.deepEqual(await skills.addVersion(tenantId, 'sums', { definition: { tools, source } }), first)
      const second = await skills.addVersion(tenantId, 'sums', { definition: two.definition })
      assert.deepEqual([second.version, second.description], [2, 'Adds.'])
      assert.equal(second.updatedAtMs, first.updatedAtMs + 1000)
      const third = await skills.addVersion(tenantId, 'sums', { description: 'Sums.', definition: two.definition })
      assert.equal(third.version, 3)
      assert.deepEqual((await skills.find(tenantId, 'sums', 1)).definition, one.definition)
      assert.deepEqual(await events(), ['skill.created sums 1', 'skill.versioned sums 2', 'skill.versioned sums 3'])
    })

    test('addVersion() called at the same time loses no version', async () => {
      const { skills, elsewhere, tenantId } = makeTestSkills(db, wholeFile)
      await skills.create(tenantId, null, one)
      const bodies = ['return 2', 'return 3', 'return 4', 'return 5']
      const added = await Promise.all(
        bodies.map((body, i) =>
          (i % 2 ? skills : elsewhere).addVersion(tenantId, 'sums', { definition: functionOf(body) }),
        ),
      )
      assert.deepEqual(added.map(({ version }) => version).sort(), [2, 3, 4, 5])
      for (const skill of added)
        assert.deepEqual((await skills.find(tenantId, 'sums', skill.version)).definition, skill.definition)
    })

    test('put() makes a skill, then adds versions, and keeps its kind', async () => {
      const { skills, elsewhere, tenantId } = makeTestSkills(db, wholeFile)
      const versions = []
      for (const request of [one, one, two]) versions.push((await skills.put(tenantId, request)).version)
      assert.deepEqual(versions, [1, 1, 2])
      const atOnce = [skills, elsewhere].map((each) => each.put(tenantId, { ...one, name: 'twice' }))
      assert.deepEqual(
        (await Promise.all(atOnce)).map(({ version }) => version),
        [1, 1],
      )
      assert.equal((await failureOf(skills.put(tenantId, { ...one, name: 'core' }))).code, 'skill_exists')
      const http = { tools: [{ name: 'run', description: 'Runs.', url: 'https://example.com' }] }
      const other = await failureOf(skills.put(tenantId, { name: 'sums', kind: 'http', definition: http }))
      assert.equal(other.code, 'skill_kind_fixed')
    })

    test('archive() ends new use at once and lets calls under way finish; a PUT brings the skill back', async () => {
      const { skills, tenantId, events } = makeTestSkills(db, wholeFile)
      await skills.create(tenantId, null, one)
      const tool = await skills.toolHandler(tenantId, 'skill:sums/run')
      assert.equal((await skills.archive(tenantId, 'sums')).status, 'archived')
      await skills.archive(tenantId, 'sums')
      assert.equal(await tool.run({}, makeToolCall()), 1)
      for (const taskKind of ['skill:sums/run', 'skill:sums@1/run'])
        assert.equal((await failureOf(skills.toolHandler(tenantId, taskKind))).code, 'skill_archived')
      assert.equal((await failureOf(skills.toolsFor(tenantId, ['sums']))).code, 'skill_archived')
      assert.equal((await skills.addVersion(tenantId, 'sums', one)).version, 1)
      assert.equal(await run({ skills, tenantId } as TestSkills, 'skill:sums/run'), 1)
      assert.deepEqual(await events(), ['skill.created sums 1', 'skill.archived sums 1', 'skill.restored sums 1'])
    })

    test('a builtin skill cannot be changed', async () => {
      const { skills, tenantId } = makeTestSkills(db, wholeFile)
      assert.equal((await failureOf(skills.addVersion(tenantId, 'core', one))).code, 'skill_builtin')
      assert.equal((await failureOf(skills.archive(tenantId, 'core'))).code, 'skill_builtin')
      assert.equal((await skills.find(tenantId, 'core')).kind, 'builtin')
    })

    test("another tenant's skill answers exactly like one that does not exist", async () => {
      const { skills, tenantId } = makeTestSkills(db, wholeFile)
      const stranger = randomUUID()
      const asStranger = (): Promise<unknown>[] => [
        skills.find(stranger, 'sums'),
        skills.find(stranger, 'sums', 1),
        skills.addVersion(stranger, 'sums', two),
        skills.archive(stranger, 'sums'),
        skills.toolsFor(stranger, ['sums']),
        skills.toolHandler(stranger, 'skill:sums/run'),
        skills.toolHandler(stranger, 'skill:sums@1/run'),
      ]
      const told = async () =>
        (await Promise.all(asStranger().map(failureOf))).map((e) => ({ ...e, message: e.message }))
      const nobodys = await told()
      await skills.create(tenantId, null, one)
      await run({ skills, tenantId } as TestSkills, 'skill:sums/run')
      assert.deepEqual(await told(), nobodys)
      assert.deepEqual(await skills.list(stranger, { limit: 10, kind }), [])
      assert.equal((await skills.create(stranger, null, two)).version, 1)
    })

    test('toolHandler() uses the current version or the one named', async () => {
      const all = makeTestSkills(db, wholeFile)
      await all.skills.create(all.tenantId, null, one)
      assert.equal(await run(all, 'skill:sums/run'), 1)
      await all.skills.addVersion(all.tenantId, 'sums', two)
      assert.deepEqual([await run(all, 'skill:sums/run'), await run(all, 'skill:sums@1/run')], [2, 1])
      const missing: [taskKind: string, code: string, message: RegExp][] = [
        ['skill:sums@3/run', 'skill_not_found', /"sums" has no version 3/],
        ['skill:nothing/run', 'skill_not_found', /no skill "nothing"/],
        ['skill:sums/walk', 'tool_not_found', /no tool "walk"; it has run/],
        ['skill:core@2/noop', 'skill_not_found', /"core" has no version 2/],
        ['skill:core/nope', 'tool_not_found', /it has echo, noop/],
        ['skill:sums', 'skill_reference_invalid', /write skill:NAME\/TOOL/],
        ['skill:../run', 'skill_reference_invalid', /write skill:NAME\/TOOL/],
      ]
      for (const [taskKind, code, message] of missing) {
        const error = await failureOf(all.skills.toolHandler(all.tenantId, taskKind))
        assert.deepEqual([error.code, error.status, error.retryable], [code, 422, false])
        assert.match(error.message, message)
      }
    })

    test('toolHandler() sees what another process changed within the age of the cache', async () => {
      const all = makeTestSkills(db, wholeFile)
      await all.skills.create(all.tenantId, null, one)
      assert.equal(await run(all, 'skill:sums/run'), 1)
      await all.elsewhere.addVersion(all.tenantId, 'sums', two)
      assert.equal(await run(all, 'skill:sums/run'), 1)
      assert.equal(await run(all, 'skill:sums@2/run'), 2)
      all.clock.advance(CACHE_MS)
      assert.equal(await run(all, 'skill:sums/run'), 2)
    })

    test('toolHandler() asks the database for no builtin tool, and for none that it knows', async () => {
      const closed = new Proxy(db, {
        get(target, property, receiver) {
          const isQuery = property === 'primary' || property === 'read' || property === 'transaction'
          if (isQuery && isClosed) throw new Error('the database was asked')
          return Reflect.get(target, property, receiver)
        },
      })
      let isClosed = false
      const all = makeTestSkills(closed, wholeFile)
      const before = await all.skills.create(all.tenantId, null, one)
      assert.equal(before.version, 1)
      await run(all, 'skill:sums/run')
      const asked = all.skills.toolHandler(all.tenantId, 'skill:sums/run')
      isClosed = true
      assert.equal(await run(all, 'skill:core/noop'), null)
      assert.equal(await run(all, 'skill:core@1/echo', 5), 5)
      assert.equal(await (await asked).run({}, makeToolCall()), 1)
    })

    test('toolsFor() gives the tools with names that models take', async () => {
      const { skills, tenantId } = makeTestSkills(db, wholeFile)
      await skills.create(tenantId, null, one)
      const tools = await skills.toolsFor(tenantId, ['sums@1', 'core/noop', 'core/noop'])
      assert.deepEqual(
        tools.map(({ kind: taskKind, name }) => [taskKind, name]),
        [
          ['skill:sums@1/run', 'sums__run'],
          ['skill:core/noop', 'core__noop'],
        ],
      )
      assert.deepEqual([tools[0]?.description, tools[0]?.inputSchema], ['Runs.', { type: 'object' }])
      const mixed = await failureOf(skills.toolsFor(tenantId, ['sums', 'sums@1']))
      assert.equal(mixed.code, 'skill_reference_invalid')
      assert.match((await failureOf(skills.toolsFor(tenantId, ['core', 'no/thing']))).message, /no skill "no"/)
    })

    test('list() pages from the newest to the builtin ones, with filters', async () => {
      const { skills, tenantId, clock } = makeTestSkills(db, wholeFile)
      for (const name of ['a', 'b', 'c']) {
        clock.advance(1)
        await skills.create(tenantId, null, { ...one, name, description: `say "${name}"\n\u0001\ud800` })
      }
      await skills.archive(tenantId, 'b')
      const names: string[] = []
      let after: { createdAtMs: number; id: string } | undefined
      for (;;) {
        const page = await skills.list(tenantId, { limit: 2, after })
        names.push(...page.map(({ name }) => name))
        after = page.at(-1)
        if (page.length < 2) break
      }
      assert.deepEqual(names, ['c', 'b', 'a', 'text', 'http', 'files', 'data', 'core'])
      const active = await skills.list(tenantId, { limit: 10, status: 'active', kind })
      assert.deepEqual(
        active.map(({ name, description }) => [name, description]),
        ['c', 'a'].map((name) => [name, `say "${name}"\n\u0001\ud800`]),
      )
      assert.equal((await skills.list(tenantId, { limit: 10, kind: 'builtin' })).length, 5)
      assert.deepEqual(
        (await skills.list(tenantId, { limit: 10, status: 'archived' })).map(({ name }) => name),
        ['b'],
      )
    })

    test('a function that loops or eats memory ends with its own clear error', async () => {
      const all = makeTestSkills(db, wholeFile)
      const bad: [name: string, body: string, code: string][] = [
        ['loop', 'for (;;);', 'function_timeout'],
        ['hog', 'const all = []; for (;;) all.push(new Array(1000).fill(input))', 'function_memory'],
        ['thrower', 'throw new TypeError("not today")', 'function_threw'],
        ['flood', 'return "x".repeat(2000)', 'function_invalid'],
      ]
      for (const [name, body, code] of bad) {
        const definition = functionOf(body, { timeoutMs: code === 'function_timeout' ? 100 : 2000 })
        await all.skills.create(all.tenantId, null, { name, kind, definition })
        const error = await failureOf(run(all, `skill:${name}/run`))
        assert.deepEqual([error.code, error.retryable], [code, false], error.message)
      }
      const refused = await failureOf(run(all, 'skill:loop/run', 5))
      assert.equal(refused.code, 'tool_input_invalid')
    })

    test('a function tells its console as progress', async () => {
      const all = makeTestSkills(db, wholeFile)
      const definition = functionOf('console.warn("half", 1); return input')
      await all.skills.create(all.tenantId, null, { name: 'talker', kind, definition })
      const told: unknown[] = []
      const tool = await all.skills.toolHandler(all.tenantId, 'skill:talker/run')
      const call = makeToolCall({ heartbeat: (progress) => void told.push(progress) })
      assert.deepEqual(await tool.run({ a: 1 }, call), { a: 1 })
      assert.deepEqual(told, [{ console: [{ level: 'warn', text: 'half 1' }] }])
    })

    test('an http skill puts its base URL and headers before those of its tools', async (t) => {
      const seen: unknown[] = []
      const server = await startServer((request, response) => {
        seen.push([request.url, request.headers['x-team'], request.headers['x-one']])
        response.end()
      })
      t.after(() => server.stop())
      const all = makeTestSkills(db, wholeFile)
      const definition = {
        baseUrl: `${server.url}/v2/`,
        headers: { 'X-Team': 'ours', 'X-One': 'common' },
        tools: [
          { name: 'get', description: 'Gets.', url: '/things/{{ id }}', headers: { 'x-one': 'own' } },
          { name: 'other', description: 'Gets.', url: `${server.url}/other` },
        ],
      }
      await all.skills.create(all.tenantId, null, { name: 'things', kind: 'http', definition })
      await run(all, 'skill:things/get', { id: 'a/b' })
      await run(all, 'skill:things/other')
      assert.deepEqual(seen, [
        ['/v2/things/a%2Fb', 'ours', 'own'],
        ['/other', 'ours', 'common'],
      ])
    })
  })
}
