/**
 * A project is a wall for keys bound to it. All documented routes are walked with a key of one project, against the things of another
 * and against those that all of the tenant share.
 */
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import type { Json } from '../../../src/platform/json.ts'
import type { Answer, TestApp } from '../../support/app.ts'
import { until } from '../../support/until.ts'
import { WHOLE_APPS } from '../../support/whole-apps.ts'
import { bodyOf, OF_NO_PROJECT, pathTo, type Route, routesOf, thingOf } from './routes.ts'
import { FLOW, functionSkill, populate, type Things } from './world.ts'

const NOBODY = '01a20000-0000-7000-8000-000000000000'
const NO_RATES = { RATE_LIMIT_TENANT_PER_MINUTE: '0', RATE_LIMIT_KEY_PER_MINUTE: '0' }
const [MINE, THEIRS, SHARED] = ['ours-alpha', 'walled-beta', 'common-gamma']

const plain = ({ status, body }: Answer, id: string): unknown => {
  const { requestId: _, ...rest } = body
  return JSON.parse(JSON.stringify({ status, ...rest }).replaceAll(id, 'ID'))
}

/** What a key of a project does with a shared thing besides reading it: use it, or ask for what is so already. */
const USES = ['POST /v1/channels/{id}/test', 'POST /v1/channels/{id}/enable']
/** Kept from it whole: they hold what was told of others' things. */
const RECORDS = ['delivery', 'inbox']

for (const database of WHOLE_APPS) {
  const on = (title: string): string => `projects on ${database.name}: ${title}`
  const projects: Record<string, string> = {}
  let app: TestApp
  let routes: Route[]
  let own: string
  let other: string
  let mine: Things
  let theirs: Things
  let shared: Things
  const ask = (method: string, path: string, body?: Json, key = own) => app.call(method, path, body, key)

  const keyOf = async (name: string): Promise<string> => {
    const { id } = (await app.call('POST', '/v1/projects', { name })).body
    projects[name] = id
    return (await app.call('POST', '/v1/keys', { name: `${name}-bound`, projectId: id, scopes: ['*'] })).body.key
  }

  before(async () => {
    app = await database.start(NO_RATES)
    routes = routesOf((await app.call('GET', '/openapi.json')).body)
    own = await keyOf(MINE)
    other = await keyOf(THEIRS)
    shared = await populate(app, app.app.key as string, SHARED)
    theirs = await populate(app, other, THEIRS)
    mine = await populate(app, own, MINE)
  })

  /** Every trace that something of the other project could leave. */
  const assertNothingOfTheirs = (answer: unknown, where: string): void => {
    const text = JSON.stringify(answer)
    for (const trace of [THEIRS, THEIRS.toUpperCase(), projects[THEIRS] as string, ...Object.values(theirs)])
      assert.ok(!text.includes(trace), `${where} tells of ${trace}: ${text.slice(0, 500)}`)
  }

  test(on('each route with a parameter is known to this test'), () => {
    const unknown = routes.filter(({ path }) => path.includes('{') && !thingOf(path) && !OF_NO_PROJECT[path])
    assert.deepEqual(unknown, [])
    assert.ok(routes.filter(({ path }) => thingOf(path)).length > 50)
  })

  test(on('a thing of another project answers like one that does not exist, whatever is asked of it'), async () => {
    for (const route of routes) {
      const thing = thingOf(route.path)
      // A secret by this name is made, or does not exist, whoever else has one.
      if (!thing || thing === 'secret') continue
      const id = theirs[thing] as string
      const body = bodyOf(route)
      const found = await ask(route.method, pathTo(route.path, id), body)
      const missing = await ask(route.method, pathTo(route.path, NOBODY), body)
      const where = `${route.method} ${route.path}`
      assert.equal(found.status, 404, `${where}: ${JSON.stringify(found.body)}`)
      assert.deepEqual(plain(found, id), plain(missing, NOBODY), where)
    }
  })

  test(on('what is shared can be read, and is not changed'), async () => {
    const wrong: string[] = []
    for (const route of routes) {
      const thing = thingOf(route.path)
      if (!thing || thing === 'secret' || route.path.endsWith('/stream')) continue
      const where = `${route.method} ${route.path}`
      const { status, body } = await ask(route.method, pathTo(route.path, shared[thing] as string), bodyOf(route))
      if (
        RECORDS.includes(thing)
          ? status === 404
          : route.method === 'GET' || USES.includes(where)
            ? status < 300
            : status === 403 || status === 409
      )
        continue
      wrong.push(`${where}: ${status} ${JSON.stringify(body)}`)
    }
    assert.deepEqual(wrong, [])
    const after = await Promise.all(
      ['agent', 'skill', 'workflow', 'schedule', 'channel', 'template', 'subscription'].map(
        async (thing) => (await app.call('GET', `/v1/${thing}s/${shared[thing]}`)).body,
      ),
    )
    assert.ok(!JSON.stringify(after).includes('changed'))
    for (const { status } of after) assert.ok(status === undefined || status === 'active', String(status))
    const { body: run } = await app.call('GET', `/v1/runs/${shared.run}`)
    assert.deepEqual([run.status, run.waitingFor], ['waiting', 'signal:go'])
    assert.equal((await app.call('GET', `/v1/dead-letters/${shared.letter}`)).body.status, 'dead')
  })

  test(on('a change of what is shared says why it is refused'), async () => {
    const ann = await app.call('POST', '/v1/members', { email: 'ann@example.org', role: 'viewer' })
    for (const [method, path, body] of [
      ['DELETE', `/v1/workflows/${shared.workflow}`],
      ['PUT', `/v1/skills/${shared.skill}`, functionSkill('changed')],
      ['POST', `/v1/agents/${shared.agent}/pause`, {}],
      ['POST', `/v1/schedules/${shared.schedule}/trigger`, {}],
      ['DELETE', `/v1/channels/${shared.channel}`],
      ['DELETE', `/v1/keys/${shared.apiKey}`],
      ['POST', `/v1/runs/${shared.run}/cancel`, {}],
      ['POST', `/v1/tasks/${shared.task}/retry`, {}],
      ['POST', `/v1/dead-letters/${shared.letter}/redrive`, {}],
      ['PUT', `/v1/notification-preferences/${ann.body.id}`, {}],
    ] as const) {
      const answer = await ask(method, path, body as Json | undefined)
      assert.deepEqual([answer.status, answer.body.code], [403, 'shared_read_only'], `${method} ${path}`)
    }
  })

  test(on('no list has anything of another project in it, and each has what is its own'), async () => {
    const lists = routes.filter(
      ({ method, path }) => method === 'GET' && !path.includes('{') && path.startsWith('/v1/'),
    )
    for (const { path } of lists.filter(({ path }) => !path.endsWith('/stream'))) {
      const { status, body } = await ask('GET', path)
      assert.ok(status === 200 || body.code === 'forbidden', `${path}: ${status}`)
      assertNothingOfTheirs(body, path)
    }
    for (const [list, thing] of [
      ...([
        ['runs', 'run'],
        ['tasks', 'task'],
        ['agents', 'agent'],
        ['skills', 'skill'],
        ['workflows', 'workflow'],
      ] as const),
      ...([
        ['schedules', 'schedule'],
        ['channels', 'channel'],
        ['subscriptions', 'subscription'],
      ] as const),
      ...([
        ['templates', 'template'],
        ['deliveries', 'delivery'],
        ['inbox', 'inbox'],
        ['secrets', 'secret'],
      ] as const),
      ...([
        ['keys', 'apiKey'],
        ['dead-letters', 'letter'],
        ['dead-letters/redrives', 'redrive'],
      ] as const),
    ]) {
      const items: { id?: string; name?: string }[] = []
      for (let cursor: string | null | undefined; cursor !== null; ) {
        const { body } = await ask('GET', `/v1/${list}?${cursor ? `cursor=${cursor}` : ''}`)
        assertNothingOfTheirs(body, list)
        items.push(...body.items)
        cursor = body.nextCursor
      }
      const has = (things: Things): boolean => items.some(({ id, name }) => [id, name].includes(things[thing]))
      assert.ok(has(mine), `${list} lacks its own`)
      assert.equal(has(shared), !RECORDS.includes(thing), `what is shared, in ${list}`)
    }
    assert.deepEqual(
      (await ask('GET', '/v1/projects')).body.items.map(({ name }: { name: string }) => name),
      [MINE],
    )
  })

  test(on('filters do not reach over the wall'), async () => {
    for (const path of [
      `/v1/tasks?runId=${theirs.asks}`,
      `/v1/runs?target=${theirs.workflow}`,
      `/v1/runs?parentRunId=${theirs.run}`,
      `/v1/deliveries?channelId=${theirs.channel}`,
      `/v1/subscriptions?channelId=${theirs.channel}`,
      `/v1/inbox?projectId=${projects[THEIRS]}`,
      `/v1/audit?target=${theirs.agent}`,
    ])
      assert.deepEqual((await ask('GET', path)).body.items, [], path)
    const inProject = (id: string) => ask('GET', `/v1/secrets/x?projectId=${id}`)
    const [there, nowhere] = [await inProject(projects[THEIRS] as string), await inProject(NOBODY)]
    assert.deepEqual(plain(there, projects[THEIRS] as string), plain(nowhere, NOBODY))
    assert.equal(there.status, 403)
  })

  test(on('what is another project’s cannot be used: it does not exist'), async () => {
    const same = async (
      path: string,
      bodyFor: (name: string) => Json,
      name: string,
      missing: string,
    ): Promise<Answer> => {
      const found = await ask('POST', path, bodyFor(name))
      assert.deepEqual(plain(found, name), plain(await ask('POST', path, bodyFor(missing)), missing), path)
      assert.ok(found.status >= 400, path)
      return found
    }
    const nothing = 'there-is-none'
    const flow = await same('/v1/runs', (workflow) => ({ workflow }), theirs.workflow as string, nothing)
    assert.equal(flow.body.code, 'workflow_not_found')
    await same('/v1/runs', (agent) => ({ agent, input: 'hello' }), theirs.agent as string, nothing)
    await same('/v1/tasks', (name) => ({ kind: `skill:${name}/main` }), theirs.skill as string, nothing)
    await same(
      '/v1/agents',
      (name) => ({ name: 'x', config: { instructions: 'x', skills: [name] } }),
      theirs.skill as string,
      nothing,
    )
    await same('/v1/subscriptions', (channelId) => ({ channelId, types: ['*'] }), theirs.channel as string, NOBODY)
    await same('/v1/deliveries/replay', (channelId) => ({ channelId }), theirs.channel as string, NOBODY)
    const settings = (templateId: string) => ({ kind: 'inbox', name: 'with-template', settings: { templateId } })
    await same('/v1/channels', settings, theirs.template as string, NOBODY)
  })

  test(on('what is shared can be used, and what comes of it belongs to the project'), async () => {
    const run = await ask('POST', '/v1/runs', { workflow: shared.workflow as string })
    assert.deepEqual([run.status, run.body.projectId], [201, projects[MINE]])
    const task = await ask('POST', '/v1/tasks', { kind: `skill:${shared.skill}/main`, input: {} })
    assert.deepEqual([task.status, task.body.projectId], [201, projects[MINE]])
    const done = await until('the task', async () => {
      const { body } = await ask('GET', `/v1/tasks/${task.body.id}`)
      return body.finishedAt === null ? undefined : body
    })
    assert.equal(done.status, 'completed')
    const tested = await ask('POST', `/v1/channels/${shared.channel}/test`, {})
    assert.equal(tested.body.projectId, projects[MINE])
  })

  test(on('a run of no project that runs what a project has belongs there'), async () => {
    const { body } = await app.call('POST', '/v1/runs', { workflow: theirs.workflow as string })
    assert.equal(body.projectId, projects[THEIRS])
    assert.equal((await ask('GET', `/v1/runs/${body.id}`)).status, 404)
  })

  test(on('runs hand their project on to children and tasks'), async () => {
    const definition = {
      StartAt: 'A',
      States: { A: { Type: 'Task', Resource: `workflow:${SHARED}-asks`, End: true } },
    }
    await ask('POST', '/v1/workflows', { name: 'parent', definition })
    const parent = (await ask('POST', '/v1/runs', { workflow: 'parent' })).body.id
    const child = await until(
      'the child',
      async () => (await ask('GET', `/v1/runs?parentRunId=${parent}`)).body.items[0],
    )
    const task = await until('its task', async () => (await ask('GET', `/v1/tasks?runId=${child.id}`)).body.items[0])
    assert.deepEqual([child.projectId, task.projectId], [projects[MINE], projects[MINE]])
  })

  test(on('a name that another project has is taken, and that is all that is told'), async () => {
    for (const [path, body, code] of [
      ['/v1/workflows', { name: theirs.workflow, definition: FLOW }, 'workflow_name_taken'],
      ['/v1/agents', { name: theirs.agent, config: { instructions: 'x' } }, 'agent_exists'],
      ['/v1/skills', { name: theirs.skill, kind: 'function', ...functionSkill('x') }, 'skill_exists'],
      [
        '/v1/schedules',
        { name: theirs.schedule, timing: { every: '1 day' }, target: { task: 'skill:core/noop' } },
        'schedule_exists',
      ],
      ['/v1/channels', { name: `${THEIRS}-channel`, kind: 'inbox' }, 'channel_exists'],
      ['/v1/templates', { name: `${THEIRS}-template`, body: 'x' }, 'template_exists'],
    ] as const) {
      const answer = await ask('POST', path, body as unknown as Json)
      assert.deepEqual([answer.status, answer.body.code], [409, code], path)
    }
  })

  test(on('the same idempotency key in two projects stands for two runs and two tasks'), async () => {
    for (const [path, body] of [
      ['/v1/runs', { workflow: shared.workflow as string, idempotencyKey: 'once' }],
      ['/v1/tasks', { kind: 'skill:core/noop', idempotencyKey: 'once' }],
    ] as const) {
      const one = await ask('POST', path, body, other)
      const two = await ask('POST', path, body)
      const again = await ask('POST', path, body)
      assert.deepEqual([one.status, two.status, again.status], [201, 201, 200], path)
      assert.notEqual(one.body.id, two.body.id)
      assert.equal(two.body.id, again.body.id)
    }
  })

  test(on('tasks of an activity are taken by keys of their project, and answered by them'), async () => {
    const taken = await ask('POST', '/v1/activities/pack/poll?wait=30000', {})
    assert.equal(taken.status, 200)
    const { body: task } = await ask('GET', `/v1/tasks/${taken.body.taskId}`)
    assert.equal(task.projectId, projects[MINE])
    const foreign = await until('the other one', async () => {
      const answer = await ask('POST', '/v1/activities/pack/poll?wait=0', {}, other)
      return answer.status === 200 ? answer.body : undefined
    })
    assert.equal(foreign.taskId, theirs.inTask)
    for (const verb of ['success', 'failure', 'heartbeat']) {
      const found = await ask('POST', `/v1/task-tokens/${foreign.token}/${verb}`, {})
      assert.deepEqual(
        plain(found, foreign.token),
        plain(await ask('POST', `/v1/task-tokens/${NOBODY}/${verb}`, {}), NOBODY),
      )
      assert.equal(found.status, 404, verb)
    }
    assert.equal((await ask('POST', `/v1/task-tokens/${taken.body.token}/success`, { output: 1 })).status, 204)
  })

  test(on('changes of many stay within the project'), async () => {
    assert.equal((await ask('POST', '/v1/dead-letters/discard', {})).body.count, 1)
    assert.ok((await ask('POST', '/v1/inbox/read', {})).status === 200)
    const started = await ask('POST', '/v1/dead-letters/redrive', {})
    await until('the redrive', async () => {
      const { body } = await ask('GET', `/v1/dead-letters/redrives/${started.body.id}`)
      return body.status === 'completed' ? body : undefined
    })
    for (const [key, { letter, inbox }] of [
      [other, theirs],
      [app.app.key as string, shared],
    ] as const) {
      assert.equal((await ask('GET', `/v1/dead-letters/${letter}`, undefined, key)).body.status, 'dead')
      const { items } = (await ask('GET', '/v1/inbox?limit=500', undefined, key)).body
      assert.equal(items.find(({ id }: { id: string }) => id === inbox)?.readAt ?? null, null)
    }
  })

  test(on('streams tell nothing of another project'), async () => {
    for (const [path, sign] of [
      ['/v1/events/stream?after=0', MINE],
      ['/v1/inbox/stream?after=0', mine.inbox as string],
    ] as const) {
      const stop = new AbortController()
      const response = await fetch(app.app.url + path, {
        headers: { authorization: `Bearer ${own}` },
        signal: stop.signal,
      })
      let text = ''
      const last = (await ask('POST', '/v1/runs', { workflow: shared.workflow as string })).body.id
      const inOther = (await ask('POST', '/v1/runs', { workflow: theirs.workflow as string }, other)).body.id
      const after = (await ask('POST', '/v1/runs', { workflow: shared.workflow as string })).body.id
      for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
        text += Buffer.from(chunk).toString()
        if (text.includes(last) && text.includes(after)) break
      }
      stop.abort()
      assert.ok(text.includes(sign), `${path} lacks its own`)
      assert.ok(!text.includes(inOther), path)
      assertNothingOfTheirs(text, path)
    }
  })

  test(on('a key of a project has no permission over the tenant, not even the operator’s'), async () => {
    const { permissions } = (await ask('GET', '/v1/session')).body
    for (const one of ['tenants:read', 'tenants:write', 'projects:write', 'members:write', 'queues:write'])
      assert.ok(!permissions.includes(one), one)
    assert.equal((await ask('POST', '/v1/projects', { name: 'another' })).status, 403)
    assert.ok((await ask('GET', '/v1/queues')).body.items.every((item: object) => !('all' in item)))
    const wider = await ask('POST', '/v1/keys', { name: 'wider', projectId: projects[THEIRS] as string })
    assert.equal(wider.status, 403)
  })

  test(on('the other project still has everything, as it was'), async () => {
    const { body: run } = await ask('GET', `/v1/runs/${theirs.run}`, undefined, other)
    assert.deepEqual([run.status, run.waitingFor], ['waiting', 'signal:go'])
    for (const [path, thing] of [
      ['agents', 'agent'],
      ['skills', 'skill'],
      ['workflows', 'workflow'],
      ['channels', 'channel'],
    ] as const) {
      const { status, body } = await ask('GET', `/v1/${path}/${theirs[thing]}`, undefined, other)
      assert.deepEqual([status, body.status], [200, 'active'], path)
    }
  })
}
