import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, test } from 'node:test'
import { wholeFile } from '../../test/support/cleanup.ts'
import { DATABASES } from '../../test/support/databases.ts'
import { startTestEngine, type TestEngine } from '../../test/support/engine.ts'
import type { Run } from '../engine/index.ts'
import { makeFakeClock } from '../platform/clock.ts'
import type { Database } from '../platform/db/database.ts'
import type { AppError } from '../platform/errors.ts'
import { makeEventLog } from '../platform/events/log.ts'
import { makeIdGenerator } from '../platform/ids.ts'
import type { Json } from '../platform/json.ts'
import { functionOf, makeTestSkills } from '../skills/testing-service.ts'
import type { AgentConfigInput } from './config.ts'
import { type AgentService, type AgentServiceOptions, makeAgentService } from './service.ts'
import { compileSchema, makeTestModel, revealSecret } from './testing.ts'

const { model, stop } = makeTestModel()
after(stop)

const config: AgentConfigInput = { instructions: 'You are a clerk.', skills: ['core/echo'] }
const DEFAULTS = { model: {}, budgets: { turns: 20 } }

interface Setup {
  readonly db: Database
  readonly agents: AgentService
  readonly tenantId: string
  readonly skills: ReturnType<typeof makeTestSkills>['skills']
  /** The tenant's events: types and versions, in their order. */
  events(): Promise<string[]>
  /** Runs of kind agent that wait until they are told to end. */
  startEngine(): Promise<TestEngine & { begin(name: string): Promise<string>; end(runId: string): Promise<void> }>
}

const setUp = async (db: Database, more: Partial<AgentServiceOptions> = {}): Promise<Setup> => {
  const { skills, tenantId } = makeTestSkills(db, wholeFile)
  const clock = makeFakeClock()
  const agents = makeAgentService({
    db,
    clock,
    makeId: makeIdGenerator(clock.now),
    skills,
    model,
    defaultModel: { baseUrl: 'http://127.0.0.1:1/v1', apiKey: undefined, model: 'm' },
    compileSchema,
    revealSecret,
    ...more,
  })
  return {
    db,
    agents,
    tenantId,
    skills,
    async events() {
      const events = await makeEventLog(db).read({ tenantId, afterId: 0, limit: 100 })
      return events
        .filter(({ type }) => type.startsWith('agent.'))
        .map((e) => `${e.type} ${e.data.name} ${e.data.version}`)
    },
    async startEngine() {
      const engine = await startTestEngine({ db, tenantId, workflows: { clerk: (ctx) => ctx.signal('end') } })
      wholeFile.after(() => engine.stop())
      return {
        ...engine,
        async begin(target) {
          const { run } = await engine.engine.create({
            tenantId,
            projectId: null,
            kind: 'agent',
            target,
            input: 'x',
            priority: 3,
          })
          return run.id
        },
        async end(runId) {
          await engine.engine.signal(tenantId, runId, 'end', null)
          assert.equal((await engine.wait(runId)).status, 'completed')
        },
      }
    },
  }
}

const failureOf = (promise: Promise<unknown>): Promise<AppError> =>
  promise.then(
    (value) => assert.fail(`should fail, gave ${JSON.stringify(value)}`),
    (error) => error as AppError,
  )

for (const database of DATABASES) {
  const onDatabase = (
    title: string,
    body: (setup: Setup) => Promise<void>,
    more: Partial<AgentServiceOptions> = {},
  ): void => {
    test(`agents on ${database.name}: ${title}`, async () => body(await setUp((await database.open()).db, more)))
  }

  onDatabase(
    'create() makes a draft at version 1, with the defaults filled in',
    async ({ agents, tenantId, events }) => {
      const made = await agents.create(tenantId, 'project-1', { name: 'clerk', config })
      assert.deepEqual(
        [made.status, made.type, made.version, made.latestVersion, made.projectId],
        ['draft', 'general', 1, 1, 'project-1'],
      )
      assert.deepEqual(made.config, { ...config, ...DEFAULTS })
      assert.deepEqual(await agents.find(tenantId, 'clerk'), made)
      assert.deepEqual(await events(), ['agent.created clerk 1'])
    },
  )

  onDatabase('create() refuses a name that is taken, and writes nothing', async ({ agents, tenantId, events }) => {
    await agents.create(tenantId, null, { name: 'clerk', config })
    const error = await failureOf(agents.create(tenantId, null, { name: 'clerk', config }))
    assert.equal(error.code, 'agent_exists')
    assert.deepEqual(await events(), ['agent.created clerk 1'])
    // Another tenant's names are its own.
    await agents.create(randomUUID(), null, { name: 'clerk', config })
  })

  onDatabase(
    'addVersion() adds the next version; those before it stay as they were',
    async ({ agents, tenantId, events }) => {
      await agents.create(tenantId, null, { name: 'clerk', config })
      const next = await agents.addVersion(tenantId, 'clerk', { instructions: 'You are kind.' })
      assert.deepEqual([next.version, next.latestVersion, next.config.skills], [2, 2, []])
      assert.deepEqual(await agents.find(tenantId, 'clerk'), next)
      const first = await agents.find(tenantId, 'clerk', 1)
      assert.deepEqual([first.version, first.latestVersion, first.config.instructions], [1, 2, config.instructions])
      assert.deepEqual(await events(), ['agent.created clerk 1', 'agent.versioned clerk 2'])
      assert.equal((await failureOf(agents.find(tenantId, 'clerk', 3))).code, 'agent_version_not_found')
    },
  )

  onDatabase('addVersion() of the same configuration adds none', async ({ agents, tenantId, events }) => {
    await agents.create(tenantId, null, { name: 'clerk', config })
    const same = await agents.addVersion(tenantId, 'clerk', {
      skills: ['core/echo'],
      instructions: config.instructions,
    })
    assert.equal(same.version, 1)
    assert.deepEqual(await events(), ['agent.created clerk 1'])
  })

  onDatabase(
    'of two versions added at the same moment both are kept, or one is refused',
    async ({ agents, tenantId }) => {
      await agents.create(tenantId, null, { name: 'clerk', config })
      const texts = ['one', 'two']
      const results = await Promise.allSettled(
        texts.map((instructions) => agents.addVersion(tenantId, 'clerk', { instructions })),
      )
      const made = results.filter((result) => result.status === 'fulfilled')
      for (const result of results) if (result.status === 'rejected') assert.equal(result.reason.code, 'agent_changed')
      assert.equal((await agents.find(tenantId, 'clerk')).latestVersion, 1 + made.length)
      for (const { value } of made)
        assert.deepEqual((await agents.find(tenantId, 'clerk', value.version)).config, value.config)
    },
  )

  onDatabase('create() refuses a wrong configuration, and writes nothing', async ({ agents, tenantId, events }) => {
    const create = (bad: object) =>
      failureOf(agents.create(tenantId, null, { name: 'clerk', config: { ...config, ...bad } }))
    const unknown = await create({ temprature: 1 })
    assert.deepEqual([unknown.code, unknown.findings?.[0]?.path], ['agent_config_invalid', 'config'])
    const schema = await create({ output: { type: 'amount' } })
    assert.deepEqual([schema.code, schema.findings?.[0]?.path], ['agent_config_invalid', 'config.output'])
    assert.match(schema.message, /not a JSON Schema/)
    assert.deepEqual(await events(), [])
  })

  onDatabase(
    'create() refuses a skill and a tool that do not exist, naming them',
    async ({ agents, tenantId, events }) => {
      const withSkills = (...skills: string[]) =>
        agents.create(tenantId, null, { name: 'clerk', config: { ...config, skills } })
      const skill = await failureOf(withSkills('core', 'nowhere'))
      assert.deepEqual([skill.code, /"nowhere"/.test(skill.message)], ['skill_not_found', true])
      const tool = await failureOf(withSkills('core/nothing'))
      assert.deepEqual([tool.code, /"nothing"/.test(tool.message)], ['tool_not_found', true])
      assert.deepEqual(await events(), [])
    },
  )

  onDatabase('an agent goes through its life', async ({ agents, tenantId, events }) => {
    await agents.create(tenantId, null, { name: 'clerk', config })
    assert.equal((await agents.activate(tenantId, 'clerk')).status, 'active')
    assert.equal((await agents.pause(tenantId, 'clerk')).status, 'paused')
    assert.equal((await agents.resume(tenantId, 'clerk')).status, 'active')
    // It has no run: it is drained at once.
    assert.equal((await agents.drain(tenantId, 'clerk')).status, 'archived')
    assert.deepEqual(
      (await events()).map((line) => line.split(' ')[0]),
      ['created', 'activated', 'paused', 'resumed', 'draining', 'archived'].map((word) => `agent.${word}`),
    )
  })

  onDatabase('a move that the life cycle does not know is refused with those it does', async ({ agents, tenantId }) => {
    await agents.create(tenantId, null, { name: 'clerk', config })
    const error = await failureOf(agents.pause(tenantId, 'clerk'))
    assert.deepEqual(
      [error.code, error.message, error.details],
      [
        'agent_move_not_allowed',
        'cannot pause the agent "clerk": it is draft; allowed now: activate, archive',
        { move: 'pause', status: 'draft', allowed: ['activate', 'archive'] },
      ],
    )
    await agents.archive(tenantId, 'clerk')
    assert.match((await failureOf(agents.activate(tenantId, 'clerk'))).message, /nothing leads out/)
    assert.equal((await failureOf(agents.addVersion(tenantId, 'clerk', config))).code, 'agent_closed')
  })

  onDatabase(
    'archive() is refused while runs are under way, with their count',
    async ({ agents, tenantId, startEngine }) => {
      await agents.put(tenantId, { name: 'clerk', config })
      const engine = await startEngine()
      const runs = [await engine.begin('clerk'), await engine.begin('clerk')]
      // A workflow of the same name has nothing to do with it.
      await engine.run('clerk')
      await agents.pause(tenantId, 'clerk')
      const error = await failureOf(agents.archive(tenantId, 'clerk'))
      assert.deepEqual([error.code, error.details], ['agent_has_runs', { runs: 2 }])
      assert.equal((await agents.find(tenantId, 'clerk')).status, 'paused')
      for (const id of runs) await engine.end(id)
      assert.equal((await agents.archive(tenantId, 'clerk')).status, 'archived')
    },
  )

  onDatabase(
    'a draining agent is archived when its last run has ended',
    async ({ agents, tenantId, startEngine, events }) => {
      await agents.put(tenantId, { name: 'clerk', config })
      const engine = await startEngine()
      const runId = await engine.begin('clerk')
      assert.equal((await agents.drain(tenantId, 'clerk')).status, 'draining')
      assert.equal((await agents.find(tenantId, 'clerk')).status, 'draining')
      await engine.end(runId)
      assert.deepEqual(
        (await agents.list(tenantId, { limit: 10 })).map(({ status }) => status),
        ['archived'],
      )
      assert.equal((await agents.find(tenantId, 'clerk')).status, 'archived')
      assert.equal((await events()).filter((line) => line.startsWith('agent.archived')).length, 1)
    },
  )

  const request = (tenantId: string, input: Json = 'hello', version?: number) => ({
    tenantId,
    projectId: null,
    kind: 'agent' as const,
    target: 'clerk',
    version,
    input,
  })

  onDatabase('locate() gives the latest version, or the one that is asked for', async ({ agents, tenantId }) => {
    await agents.put(tenantId, { name: 'clerk', config })
    await agents.put(tenantId, { name: 'clerk', config: { instructions: 'two' } })
    assert.deepEqual(await agents.locate(request(tenantId)), { version: 2, projectId: null })
    assert.deepEqual(await agents.locate(request(tenantId, 'x', 1)), { version: 1, projectId: null })
    assert.equal((await failureOf(agents.locate(request(tenantId, 'x', 3)))).code, 'agent_version_not_found')
  })

  onDatabase(
    'locate() says why an agent that is not active takes no run',
    async ({ agents, tenantId, startEngine }) => {
      const refusal = async () => {
        const { code, message, details } = await failureOf(agents.locate(request(tenantId)))
        assert.match(message, /^the agent "clerk" takes no new runs: it is /)
        return [code, details?.status]
      }
      await agents.create(tenantId, null, { name: 'clerk', config })
      assert.deepEqual(await refusal(), ['agent_not_active', 'draft'])
      await agents.activate(tenantId, 'clerk')
      await agents.pause(tenantId, 'clerk')
      assert.deepEqual(await refusal(), ['agent_not_active', 'paused'])
      const engine = await startEngine()
      const runId = await engine.begin('clerk')
      await agents.drain(tenantId, 'clerk')
      assert.deepEqual(await refusal(), ['agent_not_active', 'draining'])
      await engine.end(runId)
      assert.deepEqual(await refusal(), ['agent_not_active', 'archived'])
    },
  )

  onDatabase('locate() refuses input that begins no conversation', async ({ agents, tenantId }) => {
    await agents.put(tenantId, { name: 'clerk', config })
    const user = { role: 'user', text: 'a' }
    for (const input of [
      '',
      '  ',
      null,
      { messages: [] },
      { messages: [{ role: 'system', text: 'a' }] },
      { messages: [user, { role: 'assistant', text: 'b' }] },
    ] as Json[])
      assert.equal(
        (await failureOf(agents.locate(request(tenantId, input)))).code,
        'agent_input_invalid',
        JSON.stringify(input),
      )
    for (const input of [0, false, [], { a: 1 }, { messages: [user] }, { messages: 1, of: 2 }] as Json[])
      await agents.locate(request(tenantId, input))
  })

  onDatabase("another tenant's agent answers exactly like one that does not exist", async ({ agents, tenantId }) => {
    const other = randomUUID()
    await agents.put(other, { name: 'clerk', config })
    const { code, message, status } = await failureOf(agents.find(tenantId, 'clerk'))
    assert.deepEqual([code, message, status], ['agent_not_found', 'there is no agent "clerk"', 404])
    for (const attempt of [
      () => agents.locate(request(tenantId)),
      () => agents.addVersion(tenantId, 'clerk', config),
      () => agents.pause(tenantId, 'clerk'),
    ])
      assert.equal((await failureOf(attempt())).message, message)
    assert.deepEqual(await agents.list(tenantId, { limit: 10 }), [])
    const run = { tenantId, target: 'clerk', version: 1 } as Run
    assert.equal(await agents.load(run), undefined)
    assert.equal(typeof (await agents.load({ ...run, tenantId: other })), 'function')
  })

  onDatabase('list() filters and pages, newest first', async ({ agents, tenantId }) => {
    for (const [name, type] of [
      ['a', 'x'],
      ['b', 'y'],
      ['c', 'x'],
    ] as const)
      await agents.create(tenantId, null, { name, type, config })
    await agents.activate(tenantId, 'c')
    const names = async (filter: object) =>
      (await agents.list(tenantId, { limit: 10, ...filter })).map(({ name }) => name)
    assert.deepEqual(await names({}), ['c', 'b', 'a'])
    assert.deepEqual(await names({ type: 'x' }), ['c', 'a'])
    assert.deepEqual(await names({ status: 'draft' }), ['b', 'a'])
    const [first] = await agents.list(tenantId, { limit: 1 })
    assert.deepEqual(await names({ after: first }), ['b', 'a'])
  })

  onDatabase(
    'put() makes an active agent, then its versions, and leaves a paused one paused',
    async ({ agents, tenantId, events }) => {
      assert.equal((await agents.put(tenantId, { name: 'clerk', config })).status, 'active')
      assert.equal((await agents.put(tenantId, { name: 'clerk', config })).version, 1)
      await agents.pause(tenantId, 'clerk')
      const next = await agents.put(tenantId, { name: 'clerk', config: { instructions: 'two' } })
      assert.deepEqual([next.version, next.status], [2, 'paused'])
      assert.deepEqual(await events(), [
        'agent.created clerk 1',
        'agent.activated clerk 1',
        'agent.paused clerk 1',
        'agent.versioned clerk 2',
      ])
    },
  )

  onDatabase(
    'without a default model only an agent that names its own becomes active',
    async ({ agents, tenantId }) => {
      await agents.create(tenantId, null, { name: 'clerk', config })
      assert.equal((await failureOf(agents.activate(tenantId, 'clerk'))).code, 'agent_model_missing')
      const own = { baseUrl: 'https://a.example/v1', name: 'm' }
      await agents.addVersion(tenantId, 'clerk', { ...config, model: own })
      await agents.activate(tenantId, 'clerk')
      assert.equal((await failureOf(agents.addVersion(tenantId, 'clerk', config))).code, 'agent_model_missing')
    },
    { defaultModel: undefined },
  )

  onDatabase("an agent may use its tenant's own skills, and versions of them", async ({ agents, tenantId, skills }) => {
    await skills.create(tenantId, null, {
      name: 'greeter',
      kind: 'function',
      description: 'Greets.',
      definition: functionOf('return 1'),
    })
    await agents.create(tenantId, null, { name: 'clerk', config: { ...config, skills: ['greeter', 'core/echo'] } })
    const missing = agents.addVersion(tenantId, 'clerk', { ...config, skills: ['greeter@2'] })
    assert.equal((await failureOf(missing)).code, 'skill_not_found')
  })
}
