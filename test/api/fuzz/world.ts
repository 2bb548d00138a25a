/** Two tenants with one of everything each. What the first keeps inside its things is marked, so that it is known anywhere. */
import { setTimeout as sleep } from 'node:timers/promises'
import { PERMISSIONS } from '../../../src/platform/http/principal.ts'
import type { Json, JsonObject } from '../../../src/platform/json.ts'
import { grantsOf, ROLES } from '../../../src/tenants/roles.ts'
import type { TestApp } from '../../support/app.ts'

export interface Key {
  readonly tenant: 'first' | 'second'
  /** A scope, or the name of a role. */
  readonly scope: string
  readonly permissions: ReadonlySet<string>
  readonly key: string
}

export interface World {
  readonly generation: number
  readonly keys: readonly Key[]
  /** Ids of the first tenant's things. */
  readonly firstIds: readonly string[]
  /** Names and ids of both, for requests to refer to. */
  readonly known: readonly string[]
  /** The second tenant's ids, by the path parameter or field that takes them. */
  readonly usual: Readonly<Record<string, readonly string[]>>
  /** Bodies that are right, by route. */
  readonly samples: Readonly<Record<string, readonly Json[]>>
}

/** A fuzz asks faster than anybody should. */
export const NO_RATES = { RATE_LIMIT_TENANT_PER_MINUTE: '0', RATE_LIMIT_KEY_PER_MINUTE: '0' }

/** Kept in the contents of the first tenant's things and never sent by a request of the fuzz. */
export const MARKER = 'mark-of-the-first-tenant-7f3a'

const WAITS = {
  StartAt: 'A',
  States: { A: { Type: 'Task', Resource: 'signal:go', Next: 'B' }, B: { Type: 'Wait', Seconds: 1, End: true } },
}

const samplesFor = (who: string, note: string, ids: JsonObject): Record<string, Json[]> => ({
  'POST /v1/projects': [{ name: `${who}-project` }],
  'POST /v1/workflows': [{ name: `${who}-workflow`, definition: { Comment: note, ...WAITS } }],
  'POST /v1/workflows/validate': [{ definition: { Comment: note, ...WAITS } }],
  'POST /v1/skills': [
    {
      name: `${who}-function`,
      kind: 'function',
      description: note,
      definition: {
        source: 'export const main = (input) => input',
        tools: [{ name: 'main', description: note, inputSchema: { type: 'object' }, entry: 'main' }],
      },
    },
    {
      name: `${who}-http`,
      kind: 'http',
      description: note,
      definition: {
        baseUrl: 'https://hooks.invalid',
        tools: [{ name: 'get', description: note, inputSchema: { type: 'object' }, method: 'GET', url: '/x' }],
      },
    },
  ],
  'POST /v1/agents': [
    {
      name: `${who}-agent`,
      type: 'helper',
      config: { model: { baseUrl: 'https://model.invalid/v1', name: 'm' }, instructions: note, skills: ['core/echo'] },
    },
  ],
  'POST /v1/runs': [
    { workflow: `${who}-workflow`, input: { note } },
    { workflow: `${who}-workflow`, input: note, idempotencyKey: `${who}-run`, timeout: '1h', priority: 'high' },
  ],
  'POST /v1/tasks': [
    { kind: 'skill:core/echo', input: { note }, idempotencyKey: `${who}-task` },
    { kind: 'skill:core/fail', input: { message: note }, retry: { attempts: 1 } },
    {
      kind: 'skill:core/noop',
      delay: '1h',
      deadline: '2100-01-01T00:00:00Z',
      retry: { attempts: 2, delay: 5, jitter: 0.5 },
    },
  ],
  'POST /v1/schedules': [
    {
      name: `${who}-schedule`,
      timing: { cron: '0 9 * * *', timeZone: 'Europe/Berlin' },
      target: { workflow: `${who}-workflow` },
      input: { note },
    },
    { name: `${who}-interval`, timing: { every: '1 day' }, target: { task: 'skill:core/echo' }, input: { note } },
  ],
  'POST /v1/channels': [
    { kind: 'inbox', name: `${who}-inbox` },
    { kind: 'webhook', name: `${who}-webhook`, url: `https://hooks.invalid/${note}` },
  ],
  'POST /v1/subscriptions': [{ channelId: ids.channel ?? 'none', types: ['*'] }],
  'PUT /v1/agents/{name}': [{ config: { model: { name: 'm' }, instructions: note } }],
  'PUT /v1/skills/{name}': [
    {
      description: note,
      definition: {
        source: 'export const main = () => 1',
        tools: [{ name: 'main', description: note, inputSchema: { type: 'object' }, entry: 'main' }],
      },
    },
  ],
  'PUT /v1/schedules/{name}': [{ timing: { every: '1 day' }, target: { task: 'skill:core/echo' } }],
  'POST /v1/schedules/{name}/backfill': [
    { from: '2026-01-01T00:00:00Z', until: '2026-01-03T00:00:00Z', overlap: 'skip' },
  ],
  'POST /v1/schedules/{name}/trigger': [{ input: { note } }, {}],
  'PUT /v1/channels/{id}': [{ name: `${who}-inbox` }, { url: 'https://hooks.invalid/y' }],
  'POST /v1/channels/{id}/rotate': [{ keepOldHours: 1 }],
  'POST /v1/deliveries/replay': [{ channelId: ids.channel ?? 'none', status: 'delivered' }],
  'POST /v1/activities/{name}/poll': [{ worker: 'w' }],
  'PATCH /v1/tenants/{id}/limits': [{ requestsPerMinute: 10, runsPerDay: null }],
  'POST /v1/keys': [{ name: `${who}-spare`, scopes: ['runs:read'], expiresAt: '2100-01-01T00:00:00Z' }],
})

const ORDER = [
  'projects',
  'workflows',
  'skills',
  'agents',
  'channels',
  'subscriptions',
  'runs',
  'tasks',
  'schedules',
  'keys',
]

type Send = (method: string, path: string, body?: Json) => ReturnType<TestApp['call']>

interface Populated {
  readonly ids: readonly string[]
  readonly channel: string
  readonly usual: World['usual']
}

/** Makes one of everything. */
const populate = async (send: Send, who: string, note: string): Promise<Populated> => {
  const ids: string[] = []
  const byParameter: Record<string, string[]> = {}
  const keep = (kind: string, id: unknown): void => {
    if (typeof id !== 'string') return
    ids.push(id)
    byParameter[`${kind}/id`] = [...(byParameter[`${kind}/id`] ?? []), id]
  }
  let channel = 'none'
  for (const kind of ORDER) {
    for (const body of samplesFor(who, note, { channel })[`POST /v1/${kind}`] ?? []) {
      const { status, body: made } = await send('POST', `/v1/${kind}`, body)
      if (status >= 300) throw new Error(`the fuzz could not make one of ${kind}: ${JSON.stringify(made)}`)
      keep(kind, made.id ?? made.channel?.id)
      if (kind === 'channels' && channel === 'none') channel = ids.at(-1) as string
    }
  }
  await send('POST', `/v1/channels/${channel}/test`)
  await send('POST', `/v1/schedules/${who}-interval/trigger`, {})
  for (let i = 0; i < 200 && (await send('GET', '/v1/dead-letters')).body.items.length === 0; i++) await sleep(10)
  for (const list of ['dead-letters', 'deliveries', 'inbox', 'tasks', 'runs']) {
    for (const item of (await send('GET', `/v1/${list}`)).body.items) keep(list, item.id)
  }
  const usual = { ...byParameter, channelId: byParameter['channels/id'] ?? [] }
  return { ids: [...new Set(ids)], channel, usual }
}

/** Nobody but the operator's tenant sees tenants. */
const ownPermissions = (all: readonly string[]): Set<string> =>
  new Set(all.filter((one) => !one.startsWith('tenants:')))

/** Given a former world, whose second tenant has lost much by now, its first tenant stays and the second is a new one. */
export const makeWorld = async (app: TestApp, former?: World): Promise<World> => {
  const generation = (former?.generation ?? 0) + 1
  const second = (await app.call('POST', '/v1/tenants', { name: `second-${generation}` })).body.key as string
  const sendAs =
    (key: string): Send =>
    (method, path, body) =>
      app.call(method, path, body, key)
  const first = app.app.key as string
  const firstIds = former?.firstIds ?? (await populate(sendAs(first), 'first', MARKER)).ids
  const { ids: secondIds, channel, usual } = await populate(sendAs(second), 'second', 'note of the second')
  const keys: Key[] = [
    { tenant: 'first', scope: '*', key: first, permissions: new Set(PERMISSIONS) },
    { tenant: 'second', scope: '*', key: second, permissions: ownPermissions(PERMISSIONS) },
  ]
  for (const scope of PERMISSIONS) {
    const made = await app.call('POST', '/v1/keys', { name: 'single', scopes: [scope] }, first)
    keys.push({ tenant: 'first', scope, key: made.body.key, permissions: new Set([scope]) })
    if (scope.startsWith('tenants')) continue
    const other = await app.call('POST', '/v1/keys', { name: 'single', scopes: [scope] }, second)
    keys.push({ tenant: 'second', scope, key: other.body.key, permissions: new Set([scope]) })
  }
  for (const role of ROLES) {
    for (const [tenant, key] of [
      ['first', first],
      ['second', second],
    ] as const) {
      const made = await app.call('POST', '/v1/keys', { name: role, role }, key)
      if (made.status !== 201) throw new Error(`no key for the role ${role}: ${JSON.stringify(made.body)}`)
      const granted = grantsOf(role)
      const permissions = tenant === 'first' ? granted : ownPermissions([...granted])
      keys.push({ tenant, scope: role, key: made.body.key, permissions })
    }
  }
  const things = [
    'project',
    'workflow',
    'function',
    'http',
    'agent',
    'schedule',
    'interval',
    'inbox',
    'webhook',
    'run',
    'task',
  ]
  const names = ['first', 'second'].flatMap((who) => things.map((thing) => `${who}-${thing}`))
  const samples = samplesFor('second', 'note of the second', { channel })
  // One that nobody uses, for its limits to be set.
  const third = (await app.call('POST', '/v1/tenants', { name: `third-${generation}` })).body.id as string
  return {
    keys,
    firstIds,
    known: [...names, ...firstIds, ...secondIds, 'core', 'go'],
    usual: { ...usual, 'tenants/id': [third] },
    samples,
    generation,
  }
}
