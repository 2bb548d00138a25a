import assert from 'node:assert/strict'
import test from 'node:test'
import { makeLiquids } from './liquid.ts'
import { escapeSlack, toText } from './message.ts'
import type { Message } from './types.ts'

const liquids = makeLiquids()
const invalid = { code: 'template_invalid' }
const message: Message = {
  type: 'run.failed',
  timestamp: '2026-06-01T10:00:00.000Z',
  eventId: 7,
  projectId: null,
  runId: 'r1',
  taskId: null,
  data: { target: 'workflow:refund', durationMs: 5, error: { code: 'oops', message: 'it <broke>' } },
}

test('a template sees the message, with filters and loops', () => {
  const body =
    '{{ type | upcase }} {{ severity }} {{ data.error.code }}{% for item in items %} [{{ item.type }}]{% endfor %}'
  const text = toText(message, { subject: '{{ data.target }} failed', body }, liquids)
  assert.deepEqual(text, { subject: 'workflow:refund failed', body: 'RUN.FAILED error oops [run.failed]' })
  assert.equal(liquids.render('{{ data }} {{ nothing }}', { data: { a: 1 } }), '{"a":1} ')
})

test('values are made harmless for Slack; what the author wrote stays', () => {
  const template = { subject: '', body: '<!here> {{ data.error.message }}' }
  assert.equal(toText(message, template, liquids, escapeSlack).body, '<!here> it &lt;broke&gt;')
})

test('no other template and no file can be read', () => {
  for (const tag of ["{% include '/etc/passwd' %}", "{% render 'x' %}", "{% layout 'x' %}"])
    assert.throws(() => liquids.check(tag), invalid, tag)
  assert.throws(() => liquids.check('{% raw %}'), invalid)
  assert.throws(() => liquids.check('{{ type | no_such_filter }}'), invalid)
})

test('prototypes and functions are out of reach', () => {
  assert.equal(
    liquids.render('{{ type.constructor }}{{ data.__proto__ }}{{ items.map }}', { ...message, items: [] }),
    '',
  )
})

test('a rendering that goes on for ever, or grows without end, is stopped', () => {
  const loop = '{% for i in (1..100000) %}{% for j in (1..100000) %}{% endfor %}{% endfor %}'
  assert.throws(() => liquids.render(loop, {}), invalid)
  const grow = `{% assign a = 'xxxxxxxxxx' %}${'{% assign a = a | append: a | append: a %}'.repeat(20)}{{ a }}`
  assert.throws(() => liquids.render(grow, {}), invalid)
  assert.throws(() => liquids.check('x'.repeat(20_001)), invalid)
  assert.ok(
    liquids.render('{% for i in (1..2000) %}{{ text }}{% endfor %}', { text: 'x'.repeat(100) }).length <= 50_001,
  )
})

test('a template that fails gives way to the plain text, and says so', () => {
  const { subject, body } = toText(message, { subject: '', body: '{{ type | no_such_filter }}' }, liquids)
  assert.match(subject, /^run.failed: A run failed. workflow:refund · oops/)
  assert.match(body, /^run r1\n\(the template cannot be rendered: undefined filter: no_such_filter/)
})
