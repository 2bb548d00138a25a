/** Two tenants with one of everything each. What the first keeps inside its things is marked, so that it is known anywhere. */
import { PERMISSIONS } from '../../../src/platform/http/principal.ts'
import type { Json } from '../../../src/platform/json.ts'
import { PARTITIONS } from '../../../src/platform/queue/queue.ts'
import { grantsOf, ROLES } from '../../../src/tenants/roles.ts'
import type { TestApp } from '../../support/app.ts'
import { until } from '../../support/until.ts'
import { DEAD_LETTERS, ORDER, samplesFor, TOKENS } from './samples.ts'

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
export const NO_RATES = {
  RATE_LIMIT_TENANT_PER_MINUTE: '0',
  RATE_LIMIT_KEY_PER_MINUTE: '0',
  // A machine that does other things, too, holds the process up: a refusal for that is no finding.
  SHED_LAG_MS: '0',
}

/** Kept in the contents of the first tenant's things and never sent by a request of the fuzz. */
export const MARKER = 'mark-of-the-first-tenant-7f3a'

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
  const tokens: string[] = []
  await until('a token of each run that asks for one', async () => {
    const { status, body } = await send('POST', '/v1/activities/work/poll', { worker: 'w' })
    if (status === 200) tokens.push(body.token)
    return tokens.length === TOKENS
  })
  const deadLetters = async () => (await send('GET', '/v1/dead-letters')).body.items
  await until('the dead letters', async () => (await deadLetters()).length === DEAD_LETTERS)
  const slowly = { kind: 'skill:core/fail', ratePerSecond: 0.01 }
  keep('dead-letters', (await send('POST', '/v1/dead-letters/redrive', slowly)).body.id)
  await send('PUT', `/v1/secrets/${who}-secret`, { value: note })
  for (const list of ['dead-letters', 'deliveries', 'inbox', 'tasks', 'runs']) {
    for (const item of (await send('GET', `/v1/${list}`)).body.items) keep(list, item.id)
  }
  const members = byParameter['members/id'] ?? []
  for (const id of members) await send('PUT', `/v1/notification-preferences/${id}`, { timeZone: 'Europe/Berlin' })
  const usual = {
    ...byParameter,
    channelId: byParameter['channels/id'] ?? [],
    'notification-preferences/memberId': members,
    'task-tokens/token': tokens,
    'secrets/name': [`${who}-secret`],
    'queues/partition': PARTITIONS,
    partition: ['tasks', 'workflow'],
  }
  return { ids: [...new Set(ids)], channel, usual }
}

/** Nobody but the operator's tenant sees tenants. */
const ownPermissions = (all: readonly string[]): Set<string> =>
  new Set(all.filter((one) => !one.startsWith('tenants:')))

/** Given a former world, whose second tenant has lost much by now, its first tenant stays and the second is a new one. */
export const makeWorld = async (app: TestApp, former?: World): Promise<World> => {
  const generation = (former?.generation ?? 0) + 1
  const { id: tenant, key: second } = (await app.call('POST', '/v1/tenants', { name: `second-${generation}` })).body
  const sendAs =
    (key: string): Send =>
    (method, path, body) =>
      app.call(method, path, body, key)
  const first = app.app.key as string
  // The operator's own key may have paused them, for everybody.
  for (const partition of PARTITIONS) await app.call('POST', `/v1/queues/${partition}/resume`)
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
    'activity',
    'template',
    'secret',
  ]
  const names = ['first', 'second'].flatMap((who) => things.map((thing) => `${who}-${thing}`))
  const samples = samplesFor('second', 'note of the second', { channel, tenant })
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
