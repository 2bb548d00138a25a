import assert from 'node:assert/strict'
import test from 'node:test'
import type { JsonObject } from '../../platform/json.ts'
import { failureOf } from '../testing.ts'
import { makeTemplateCompiler } from './template.ts'

const compile = makeTemplateCompiler()
const render = (source: string, data: JsonObject = {}): Promise<string> => compile(source).render(data)

test('a template puts out variables, loops and filters', async () => {
  const source = '{% for p in packages %}{{ p.name | upcase }}{% unless forloop.last %}, {% endunless %}{% endfor %}'
  assert.equal(await render(source, { packages: [{ name: 'a' }, { name: 'b' }] }), 'A, B')
  assert.equal(
    await render('{{ list | where: "x", 1 | map: "y" | join: "+" }}', {
      list: [{ x: 1, y: 2 }, { x: 1, y: 3 }, { x: 2 }],
    }),
    '2+3',
  )
})

test('a template refuses a missing variable only when strict', async () => {
  assert.equal(await render('[{{ a.b }}]'), '[]')
  assert.equal((await failureOf(compile('{{ a.b }}', { strict: true }).render({}))).code, 'tool_failed')
})

test('a template encodes what it puts out, when asked to', async () => {
  const template = compile('/x/{{ a }}?q={{ b }}&raw={{ c | raw }}', { encode: encodeURIComponent })
  assert.equal(
    await template.render({ a: '../?&', b: { n: 1 }, c: 'a/b' }),
    '/x/..%2F%3F%26?q=%7B%22n%22%3A1%7D&raw=a/b',
  )
})

test('a template that does not parse is refused with the place', () => {
  for (const source of ['{% if %}', '{{ a | nofilter }}', '{% for x in y %}', '{% nothing %}', 'x'.repeat(70_000)])
    assert.throws(() => compile(source), { code: 'tool_invalid' }, source.slice(0, 30))
})

test('a template reaches no prototypes, files or other templates', async () => {
  assert.equal(await render('{{ a.constructor }}{{ a.__proto__ }}{{ a.length.constructor }}', { a: {} }), '')
  for (const tag of ['{% include "/etc/passwd" %}', '{% render "./template.ts" %}', '{% layout "/etc/passwd" %}'])
    assert.equal((await failureOf(render(tag))).code, 'tool_failed', tag)
})

test('a template is stopped before it takes too long, too much memory or too much room', async () => {
  const numbers = Array.from({ length: 100_000 }, (_, i) => i)
  // Each is stopped by the limit that meets it first, and those that a step of Liquid would take long for before they begin.
  const cases: [reason: RegExp, source: string, data?: JsonObject][] = [
    [/memory/, '{% for i in (1..100000000) %}{{ i }}{% endfor %}'],
    [
      /render limit/,
      '{% for i in (1..1000) %}{% for j in (1..1000) %}{% for k in (1..1000) %}{% assign x = k %}{% endfor %}{% endfor %}{% endfor %}',
    ],
    [/memory/, `{% assign a = "aaaaaaaaaaaaaaaa" %}${'{% assign a = a | append: a %}'.repeat(40)}{{ a }}`],
    [/characters|render limit/, '{% for i in (1..5000) %}{{ a }}{% endfor %}', { a: 'x'.repeat(100_000) }],
    [/memory/, '{{ a | where_exp: "i", "i.x == 1" | size }}', { a: numbers }],
    [/memory/, '{{ a | group_by: "x" | size }}', { a: numbers }],
  ]
  for (const [reason, source, data] of cases) {
    const { code, message } = await failureOf(render(source, data))
    assert.equal(code, 'tool_failed', source.slice(0, 50))
    assert.match(message, reason, source.slice(0, 50))
  }
})
