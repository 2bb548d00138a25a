import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import test from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { DATABASES } from '../../test/support/databases.ts'
import { makeTestNotifications } from '../../test/support/notifications.ts'
import { until } from '../../test/support/until.ts'
import type { WorkflowFunction } from '../engine/index.ts'
import type { Event } from '../platform/events/event.ts'
import { CATALOGUE, compilePattern, covered, isPattern, sampleOf, schemaOf, severityOf } from './catalogue.ts'
import { hasField } from './fields.ts'

const root = path.resolve(import.meta.dirname, '../..')

/** What a placeholder in a type can stand for. */
const EXPANSIONS: Readonly<Record<string, readonly string[]>> = {
  'run.<state.status>': ['completed', 'failed', 'cancelled', 'timed_out'],
  // A task that is born running writes `task.started`; the ends are written by name or as `failed` and `dead`.
  'task.<task.status>': ['scheduled', 'queued'],
  'task.<status>': ['failed', 'dead'],
  'partition.<verb>': ['paused', 'resumed'],
  'tenant.<verb>': ['paused', 'resumed'],
}

/** Things whose events exist; a new one shows by a call that writes an event of it, see below. */
const THINGS = new Set(Object.keys(CATALOGUE).map((type) => type.split('.')[0]))

/** Names that look like types: columns of a query, settings, names of files. */
const NO_TYPES =
  /^(skills\.(id|version|tenant_id|kind|status|created_at)|channels\.(id|tenant_id|kind|status)|task\.kind|secret\.key)$/

const sources = globSync('src/**/*.ts', { cwd: root }).filter(
  (file) =>
    !/[.]test[.]ts$/.test(file) && !/^src\/(asl|cli|sdk|agents\/stand-in|migrations)\/|catalogue[.]ts$/.test(file),
)

interface Mention {
  readonly file: string
  readonly type: string
}

const withoutComments = (text: string): string => text.replace(/\/\*[\s\S]*?\*\/|(?<![:'"`])\/\/.*$/gm, '')

/** Every text of the form `thing.what` that may be the type of an event that is written. */
const mentions = (): Mention[] =>
  sources.flatMap((file) => {
    const text = withoutComments(readFileSync(path.join(root, file), 'utf8'))
    const ofThings = [...text.matchAll(/['"`]([a-z]+)\.(\$\{[^}]+\}|[a-z_]+)['"`]/g)]
      .filter(([, thing]) => THINGS.has(thing as string))
      .map(([, thing, what]) => `${thing}.${what}`)
    // Where an event is made, whatever it is about.
    const made = /\b(?:type|event): ['`]([a-z]+\.(?:\$\{[^}]+\}|[a-z_]+))['`]/g
    const called =
      /\b(?:event|tell|eventOf|taskEvent|sink\.log|subscriptionEvent|writeEvent)\([^()]*?['`]([a-z]+\.(?:\$\{[^}]+\}|[a-z_]+))['`]/g
    const inCalls = [made, called].flatMap((regex) => [...text.matchAll(regex)].map(([, type]) => type as string))
    const types = [...ofThings, ...inCalls].map((type) => type.replace(/\$\{(.*)\}/, '<$1>'))
    return types.filter((type) => !NO_TYPES.test(type)).map((type) => ({ file, type }))
  })

const expand = (type: string): string[] => EXPANSIONS[type]?.map((what) => type.replace(/<.*/, what)) ?? [type]

test('the catalogue has every event type that the sources write', () => {
  const all = mentions().flatMap(({ file, type }) => expand(type).map((each) => ({ file, type: each })))
  const missing = all.filter(({ type }) => !(type in CATALOGUE))
  assert.deepEqual(missing, [])
})

test('the sources write every event type that the catalogue has', () => {
  const written = new Set(mentions().flatMap(({ type }) => expand(type)))
  const unknown = Object.keys(CATALOGUE).filter((type) => !written.has(type))
  assert.deepEqual(unknown, [])
})

/** A bit of everything that a run tells of; fails in the end. */
const walk: WorkflowFunction = async (ctx) => {
  await ctx.step('look', async () => 1)
  await ctx.sleep(1)
  ctx.log('here', { at: 1 })
  await ctx.signal('approved')
  await ctx.task('bad', null, { retry: { attempts: 2, delay: 1 } })
}

test('every field of an event is described, with an example that fits', () => {
  const fields = new Set(Object.values(CATALOGUE).flatMap(({ data }) => data.map((field) => field.replace('?', ''))))
  assert.deepEqual(
    [...fields].filter((field) => !hasField(field)),
    [],
    'describe these in fields.ts',
  )
  const ajv = new Ajv2020({ allowUnionTypes: true })
  for (const type of Object.keys(CATALOGUE))
    assert.ok(ajv.validate(schemaOf(type), sampleOf(type)), `${type}: ${ajv.errorsText()}`)
})

test('the events that runs, tasks, channels and the inbox write fit their schemas', async (t) => {
  const { db, hub } = await DATABASES[0]!.open()
  const events: Event[] = []
  hub.subscribe({}, (event) => events.push(event))
  const made = await makeTestNotifications(t, { db, hub }, { workflows: { walk } })
  const { tenantId, tasks, engine, run, wait } = made.engine
  const { channels, templates, preferences, inbox } = made.notifications
  const { channel } = await channels.create(tenantId, null, { kind: 'inbox', name: 'inbox' })
  const what = { channelId: channel.id, projectId: null, types: ['task.*', 'run.*'], severity: 'debug' } as const
  await channels.subscribe(tenantId, what)
  await channels.disable(tenantId, channel.id, 'enough')
  await channels.enable(tenantId, channel.id)
  const { id } = await templates.create(tenantId, { name: 'plain', subject: '', body: 'x' })
  await templates.remove(tenantId, id)
  const wishes = { channelId: null, timeZone: 'UTC', quietHours: null, digest: null, errorsAtOnce: true }
  await preferences.set(tenantId, 'ann', wishes)
  await made.notifications.start()
  const base = { tenantId, projectId: null, input: null, priority: 3, retry: { attempts: 2, delay: 1 } } as const
  await tasks.create({ ...base, kind: 'ok' })
  await tasks.create({ ...base, kind: 'bad' })
  const started = await run('walk')
  await until('the signal', () => events.some(({ type }) => type === 'signal.waiting'))
  await engine.signal(tenantId, started.id, 'approved', null)
  assert.equal((await wait(started.id)).status, 'failed')
  await until('the inbox', () => events.some(({ type }) => type === 'inbox.added'))
  await inbox.setAllRead(tenantId)
  const ajv = new Ajv2020({ allowUnionTypes: true })
  const wrong = events.flatMap(({ type, data }) =>
    ajv.validate(schemaOf(type), JSON.parse(JSON.stringify(data)))
      ? []
      : [`${type}: ${ajv.errorsText()} ${JSON.stringify(data)}`],
  )
  assert.deepEqual(wrong, [])
  const types = new Set(events.map(({ type }) => type))
  for (const type of [
    'run.failed',
    'signal.received',
    'step.completed',
    'task.dead',
    'task.retrying',
    'inbox.all_read',
  ])
    assert.ok(types.has(type), type)
})

test('docs/notifications.md has the table of the catalogue', () => {
  const text = readFileSync(path.join(root, 'docs/notifications.md'), 'utf8')
  const rows = Object.entries(CATALOGUE).map(([name, { severity, tells, data }]) => {
    const fields = data.map((field) => `\`${field}\``).join(' ')
    return `| \`${name}\` | ${severity} | ${tells} | ${fields} |`
  })
  const table = ['| type | severity | tells | data |', '|---|---|---|---|', ...rows].join('\n')
  assert.ok(text.includes(table), `put this table into docs/notifications.md:\n\n${table}`)
})

test('a pattern covers types by its stars alone', () => {
  const covers = (pattern: string, type: string): boolean => compilePattern(pattern)(type)
  for (const pattern of ['*', 'run.*', '*.failed', 'run.failed', 'r*d'])
    assert.ok(covers(pattern, 'run.failed'), pattern)
  for (const pattern of ['run', 'run.fail', 'task.*', '*.dead', 'un.failed'])
    assert.ok(!covers(pattern, 'run.failed'), pattern)
  assert.equal(covers('run.failed', 'runxfailed'), false)
  assert.deepEqual(covered('*.dead'), ['task.dead'])
  for (const text of ['', 'Run.*', '(a+)+', '*'.repeat(3), 'a'.repeat(101)]) assert.equal(isPattern(text), false, text)
})

test('a type that the catalogue does not have is of no special severity', () => {
  assert.equal(severityOf('new.thing'), 'info')
  assert.equal(severityOf('toString'), 'info')
  assert.equal(severityOf('task.dead'), 'error')
})
