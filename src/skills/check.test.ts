import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import test, { before, describe } from 'node:test'
import { wholeFile } from '../../test/support/cleanup.ts'
import { DATABASES } from '../../test/support/databases.ts'
import { failureOf, makeToolCall } from './testing.ts'
import { makeTestSkills, type TestSkills } from './testing-service.ts'
import type { NewSkill, OwnKind } from './types.ts'

const tool = { name: 'run', description: 'Runs.' }
const call = { ...tool, url: 'https://example.com/x' }
const source = 'export const run = () => 1'
const circle: Record<string, unknown> = {}
circle.self = circle

const cases: [what: string, kind: OwnKind, definition: unknown, path: string, message: RegExp][] = [
  ['no object', 'http', [], '/definition', /must be object, was \[\]/],
  ['no JSON', 'http', circle, '/definition', /must be JSON/],
  ['nothing', 'http', undefined, '/definition', /must be JSON/],
  ['too large', 'http', { tools: [], x: 'x'.repeat(262_144) }, '/definition', /has 262\d+ bytes/],
  ['no tools', 'http', {}, '/definition/tools', /is missing/],
  ['an empty list of tools', 'http', { tools: [] }, '/definition/tools', /fewer than 1/],
  ['an unknown field', 'http', { tools: [call], base: 'x' }, '/definition/base', /not a known field/],
  [
    'an unknown field of a tool',
    'http',
    { tools: [{ ...call, path: '/' }] },
    '/definition/tools/0/path',
    /not a known field/,
  ],
  [
    'a bad name',
    'http',
    { tools: [call, { ...call, name: 'a__b' }] },
    '/definition/tools/1/name',
    /letters and digits.*was "a__b"/,
  ],
  ['a name twice', 'http', { tools: [call, call] }, '/definition/tools/1/name', /name of a tool above/],
  ['a bad template', 'http', { tools: [{ ...call, url: 'https://x/{{ a' }] }, '/definition/tools/0/url', /not parse/],
  [
    'a credential in clear',
    'http',
    { headers: { Authorization: 'Bearer abc' }, tools: [call] },
    '/definition/headers/Authorization',
    /must be a secret: \{ "\$secret": "NAME" \}/,
  ],
  [
    'a reference that is none',
    'http',
    { headers: { 'x-key': { secret: 'A' } }, tools: [call] },
    '/definition/headers/x-key',
    /./,
  ],
  ['a URL that is none', 'http', { tools: [{ ...call, url: 'x.com' }] }, '/definition/tools/0/url', /http:\/\//],
  ['a path without base', 'http', { tools: [{ ...call, url: '/x' }] }, '/definition/tools/0/url', /http:\/\//],
  ['a bad base', 'http', { baseUrl: 'ftp://x', tools: [call] }, '/definition/baseUrl', /must be an http or https URL/],
  [
    'a base with a password',
    'http',
    { baseUrl: 'https://a:b@x.com', tools: [call] },
    '/definition/baseUrl',
    /without user/,
  ],
  ['a bad method', 'http', { tools: [{ ...call, method: 'BREW' }] }, '/definition/tools/0/method', /BREW/],
  [
    'a bad header',
    'http',
    { tools: [{ ...call, headers: { 'X-A': '{% if %}' } }] },
    '/definition/tools/0/headers/X-A',
    /not parse/,
  ],
  [
    'a bad common header',
    'http',
    { headers: { 'X-A': '{% if %}' }, tools: [call, { ...call, name: 'two' }] },
    '/definition/headers/X-A',
    /not parse/,
  ],
  ['a bad expression', 'http', { tools: [{ ...call, output: 'a[' }] }, '/definition/tools/0/output', /./],
  [
    'two bodies',
    'http',
    { tools: [{ ...call, method: 'POST', body: { jsonata: 'a', template: 'b' } }] },
    '/definition/tools/0/body',
    /more than 1/,
  ],
  [
    'a schema that is none',
    'http',
    { tools: [{ ...call, inputSchema: { type: 'thing' } }] },
    '/definition/tools/0/inputSchema',
    /not a JSON Schema/,
  ],
  [
    'a schema that is none',
    'function',
    { source, tools: [{ ...tool, inputSchema: { type: 'thing' } }] },
    '/definition/tools/0/inputSchema',
    /not a JSON Schema/,
  ],
  ['no source', 'function', { tools: [tool] }, '/definition/source', /is missing/],
  ['a source that does not parse', 'function', { source: 'function (', tools: [tool] }, '/definition/source', /./],
  ['a source that loops', 'function', { source: 'for (;;);', tools: [tool] }, '/definition/source', /1000 ms/],
  [
    'a missing function',
    'function',
    { source, tools: [{ ...tool, entry: 'walk' }] },
    '/definition/source',
    /walk.*is not a function|no function.*walk|walk/,
  ],
  [
    'too long a time',
    'function',
    { source, tools: [tool], limits: { timeoutMs: 1e9 } },
    '/definition/limits/timeoutMs',
    /must be <= 60000, was 1000000000/,
  ],
  [
    'too little memory',
    'function',
    { source, tools: [tool], limits: { memoryBytes: 1 } },
    '/definition/limits/memoryBytes',
    /must be >= 10485760/,
  ],
]

describe('a definition', () => {
  let all: TestSkills
  before(async () => {
    all = makeTestSkills((await DATABASES[0]!.open()).db, wholeFile)
  })

  for (const [what, kind, definition, path, message] of cases)
    test(`of kind ${kind} with ${what} is refused with the place, and nothing is stored`, async () => {
      const { skills, tenantId, events } = all
      const error = await failureOf(skills.create(tenantId, null, { name: 'bad', kind, definition }))
      assert.equal(error.code, 'skill_invalid')
      assert.deepEqual(
        [...new Set(error.findings?.map((finding) => finding.path.replace(/(\/x-key)\/.*/, '$1')))],
        [path],
      )
      assert.match(error.findings?.[0]?.message ?? '', message)
      assert.match(error.message, new RegExp(path.replaceAll('/', '\\/')))
      assert.equal((await failureOf(skills.find(tenantId, 'bad'))).code, 'skill_not_found')
      assert.deepEqual(await events(), [])
    })

  test('is refused with all that is wrong at once', async () => {
    const { skills, tenantId } = all
    const definition = {
      tools: [
        { ...call, name: '-', url: 'x' },
        { ...call, output: '(' },
      ],
    }
    const request = { name: 'no good', kind: 'http', description: 'x'.repeat(2001), definition } as const
    const error = await failureOf(skills.create(tenantId, null, request))
    assert.deepEqual(
      error.findings?.map(({ path }) => path),
      ['/name', '/description', '/definition/tools/0/name', '/definition/tools/0/url', '/definition/tools/1/output'],
    )
    assert.match(error.message, /and 2 more/)
  })

  test('that is wrong leaves the version before in place', async () => {
    const { skills, tenantId } = all
    await skills.create(tenantId, null, { name: 'good', kind: 'function', definition: { source, tools: [tool] } })
    const error = await failureOf(skills.addVersion(tenantId, 'good', { definition: { source: '(', tools: [tool] } }))
    assert.equal(error.code, 'skill_invalid')
    assert.equal((await skills.find(tenantId, 'good')).version, 1)
  })

  test('of the documentation is right as it stands there', async () => {
    const page = await readFile(new URL('../../docs/skills.md', import.meta.url), 'utf8')
    const examples = [...page.matchAll(/```json\n(.*?)```/gs)].map(([, text]) => JSON.parse(text ?? '') as NewSkill)
    for (const example of examples) await all.skills.create(all.tenantId, null, example)
    assert.deepEqual(
      examples.map(({ kind }) => kind),
      ['http', 'function'],
    )
    const tool = await all.skills.toolHandler(all.tenantId, 'skill:prices/total')
    assert.equal(await tool.run({ items: [{ price: 2, count: 3 }] }, makeToolCall()), 6)
  })
})
