import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import v8 from 'node:v8'
import vm from 'node:vm'
import { makeLiquids } from './liquid.ts'

const liquids = makeLiquids()
/**
 * Each look at `b` takes the template a tenth of the 100 ms that it may take, by a clock that only these looks move: so many it
 * may make, and a few until the clock is looked at again.
 */
const STEP_MS = 10
const MOST_LOOKS = 15

const stopped = (t: TestContext, text: string): void => {
  let nowMs = 0
  let looks = 0
  const clock = t.mock.method(performance, 'now', () => nowMs)
  const scope = {
    get b() {
      looks++
      nowMs += STEP_MS
      return []
    },
  }
  try {
    assert.throws(() => liquids.render(text, scope), { code: 'template_invalid', message: /render limit/ })
  } finally {
    clock.mock.restore()
  }
  assert.ok(looks > 5 && looks <= MOST_LOOKS, `${text.slice(0, 60)} looked ${looks} times`)
}

test('filters that evaluate an expression for each element are stopped in time', (t) => {
  for (const name of ['where_exp', 'reject_exp', 'group_by_exp', 'find_exp', 'find_index_exp', 'has_exp'])
    stopped(t, `{% assign a = (1..10000) | ${name}: "x", "b contains 0" %}`)
})

test('one expression of many comparisons is stopped in time', (t) => {
  stopped(t, `{% if ${Array(400).fill('b contains 0').join(' or ')} %}{% endif %}`)
})

test('an expression within a filter is no way around the limit on the length', () => {
  const long =
    '{% assign e = "x > 1" %}{% for i in (1..9) %}{% assign e = e | append: " or " | append: e %}{% endfor %}'
  assert.throws(() => liquids.render(`${long}{{ (1..2) | where_exp: "x", e }}`, {}), /longer than 1000 characters/)
})

test('the filters that go through arrays give what they should', () => {
  const scope = { items: [{ n: 3 }, { n: 1 }, { n: 2 }] }
  const render = (text: string): string => liquids.render(text, scope)
  assert.equal(render('{{ items | where_exp: "x", "x.n > 1" | map: "n" | join }}'), '3 2')
  assert.equal(render('{{ items | sort: "n" | map: "n" | join }}'), '1 2 3')
  assert.equal(
    render('{{ items | find: "n", 2 | json }}{{ items | sum: "n" }}{{ items | has: "n", 9 }}'),
    '{"n":2}6false',
  )
  assert.equal(render('{% assign found = items | find_exp: "x", "x.n == 1 and x.n != 2" %}{{ found.n }}'), '1')
  assert.equal(render('{% if items.size >= 3 and items.size != 4 and not items.none %}yes{% endif %}'), 'yes')
})

test('the templates that are kept parsed take no more memory, however many there are', () => {
  v8.setFlagsFromString('--expose-gc')
  const gc = vm.runInNewContext('gc') as () => void
  const usedMb = (): number => {
    gc()
    return process.memoryUsage().heapUsed / 1e6
  }
  const beforeMb = usedMb()
  for (let i = 0; i < 70; i++) liquids.check(`${i}${'{{a}}'.repeat(3_990)}`)
  const grownMb = usedMb() - beforeMb
  assert.ok(grownMb < 150, `${grownMb} MB`)
})
