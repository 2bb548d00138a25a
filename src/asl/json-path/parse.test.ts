import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parsePath } from './parse.ts'

describe('parsePath()', () => {
  test('tells data, context object and variables apart', () => {
    assert.deepEqual(parsePath('$').root, { kind: 'data' })
    assert.deepEqual(parsePath('$$.Execution.Id').root, { kind: 'context' })
    assert.deepEqual(parsePath('$order.id').root, { kind: 'variable', name: 'order' })
    assert.deepEqual(parsePath('$größe').root, { kind: 'variable', name: 'größe' })
  })

  test('reads names in both notations', () => {
    const names = (source: string) => parsePath(source).steps
    assert.deepEqual(names('$.a-b.c_1'), [
      { kind: 'name', name: 'a-b' },
      { kind: 'name', name: 'c_1' },
    ])
    assert.deepEqual(names(`$['a b']["c'd"]`), [
      { kind: 'name', name: 'a b' },
      { kind: 'name', name: "c'd" },
    ])
    assert.deepEqual(names(`$['it\\'s']`), [{ kind: 'name', name: "it's" }])
    assert.deepEqual(names(`$['a','b']`), [{ kind: 'names', names: ['a', 'b'] }])
  })

  test('takes nearly every character into a name behind a point, unless there is a text around the path', () => {
    assert.deepEqual(parsePath("$.ok?.R&D.it's").steps, [
      { kind: 'name', name: 'ok?' },
      { kind: 'name', name: 'R&D' },
      { kind: 'name', name: "it's" },
    ])
    const filter = parsePath('$.a[?(@.b=="x"&&@.c<2)]').steps[1]
    assert.equal(filter?.kind === 'filter' && filter.test.kind, 'and')
  })

  test('passes over spaces at the end', () => {
    assert.deepEqual(parsePath('$.a ').steps, [{ kind: 'name', name: 'a' }])
  })

  test('keeps a backslash that escapes nothing', () => {
    assert.deepEqual(parsePath(`$['a\\"b']`).steps, [{ kind: 'name', name: 'a\\"b' }])
  })

  test('knows which paths name one place', () => {
    for (const source of ['$', '$.a[0].b', '$.a[-1]', "$['a'][2]"]) assert.ok(parsePath(source).definite, source)
    for (const source of ['$.a[*]', '$..a', '$.a[0,1]', '$.a[1:2]', '$.a[?(@.b)]', "$['a','b'].c"]) {
      assert.ok(!parsePath(source).definite, source)
    }
  })

  test('says where a text stops being a path', () => {
    const bad = [
      '',
      'a',
      '$.',
      '$.a[',
      '$.a[x]',
      '$..',
      '$.a b',
      "$['a",
      '$.a[?(@.b ==)]',
      '$.a[?(@.b ~ 1)]',
      '$.a.nope()',
      '$.a[:]',
      '$.a[::2]',
      '$.a[?(@.b =~ /c)]',
      '$.a[?(@.b =~ /(/)]',
      '$.a[?(@.b =~ /)|(?:/)]',
      '$.a[?(@.b =~ /c/x)]',
      '$.a[?(@.b =~ /\\p{L}/)]',
      '$.a[?(@.b =~ /\\\\\\z/)]',
      '$.a[?(@.b =~ /[a-z&&[^b]]/)]',
    ]
    for (const source of bad) assert.throws(() => parsePath(source), /at character \d+ of/, source)
  })
})
