import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import test from 'node:test'
import { CATALOGUE, catalogueTable, compilePattern, covered, isPattern, severityOf } from './catalogue.ts'

const root = path.resolve(import.meta.dirname, '../..')

/** What a placeholder in a type can stand for. */
const EXPANSIONS: Readonly<Record<string, readonly string[]>> = {
  'run.<state.status>': ['completed', 'failed', 'cancelled', 'timed_out'],
  // A task that is born running writes `task.started`; the ends are written by name or as `failed` and `dead`.
  'task.<task.status>': ['scheduled', 'queued'],
  'task.<status>': ['failed', 'dead'],
}

/** Things whose events exist; a new one shows by a call that writes an event of it, see below. */
const THINGS = new Set(Object.keys(CATALOGUE).map((type) => type.split('.')[0]))

/** Names that look like types: columns of a query, settings, names of files. */
const NO_TYPES =
  /^(skills\.(id|version|tenant_id|kind|status|created_at)|channels\.(id|tenant_id|kind|status)|task\.kind)$/

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

test('docs/notifications.md has the table of the catalogue', () => {
  const text = readFileSync(path.join(root, 'docs/notifications.md'), 'utf8')
  assert.ok(text.includes(catalogueTable()), `put this table into docs/notifications.md:\n\n${catalogueTable()}`)
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
