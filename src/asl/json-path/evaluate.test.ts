import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Json } from '../../platform/json.ts'
import { compileSteps } from './evaluate.ts'
import { parsePath } from './parse.ts'

const find = (source: string, document: Json): Json | undefined => {
  const { steps, definite } = parsePath(source)
  return compileSteps(steps, definite)(document)
}

const store: Json = {
  book: [
    { title: 'A', price: 8, tags: ['x'] },
    { title: 'B', price: 12, isbn: '1' },
    { title: 'C', price: 9, isbn: '2', tags: [] },
  ],
  bike: { price: 20, 'top speed': 30 },
}

describe('a definite path', () => {
  test('gives the value', () => {
    assert.deepEqual(find('$', store), store)
    assert.equal(find('$.book[1].title', store), 'B')
    assert.equal(find('$.book[-1].title', store), 'C')
    assert.equal(find("$.bike['top speed']", store), 30)
  })

  test('gives nothing where it leads nowhere', () => {
    for (const source of ['$.nope', '$.book[9]', '$.book.title', '$.bike[0]', '$.book[0].title.x', '$.bike.price.x']) {
      assert.equal(find(source, store), undefined, source)
    }
  })

  test('picks the fields that a list of names at the end has', () => {
    assert.deepEqual(find("$.bike['price','nope']", store), { price: 20 })
    assert.equal(find("$.book['price','nope']", store), undefined)
  })

  test('sees own fields only', () => {
    assert.equal(find('$.constructor', {}), undefined)
    assert.equal(find('$.__proto__', {}), undefined)
    assert.equal(find('$.length', [1]), undefined)
    assert.deepEqual(find('$.__proto__', JSON.parse('{"__proto__":{"a":1}}') as Json), { a: 1 })
  })

  test('tells a null from nothing', () => {
    assert.equal(find('$.a', { a: null }), null)
  })
})

describe('any other path gives a list', () => {
  const cases: [source: string, expected: Json][] = [
    ['$.book[*].title', ['A', 'B', 'C']],
    ['$.book[*].isbn', ['1', '2']],
    ['$.bike.*', [20, 30]],
    ['$..price', [20, 8, 12, 9]],
    ['$..book[0].title', ['A']],
    ['$.book[0,2].title', ['A', 'C']],
    ['$.book[1:].title', ['B', 'C']],
    ['$.book[:2].title', ['A', 'B']],
    ['$.book[-2:].title', ['B', 'C']],
    ['$.book[0:2:2].title', ['A', 'B']],
    ['$.book[0:-1].title', []],
    ['$.book[:-1].title', ['A', 'B']],
    ['$.book[-1:2].title', ['C', 'A', 'B']],
    ['$.book[-9:1].title', ['A', 'B', 'C', 'A']],
    [
      "$.book[1:]['title','isbn']",
      [
        { title: 'B', isbn: '1' },
        { title: 'C', isbn: '2' },
      ],
    ],
    ["$['bike','nope'].price", [20]],
    [
      "$..['title','isbn']",
      [
        { title: 'B', isbn: '1' },
        { title: 'C', isbn: '2' },
      ],
    ],
    ['$.nope[*]', []],
    ['$.nope.items[1:5].x', []],
  ]
  for (const [source, expected] of cases) {
    test(source, () => {
      const found = find(source, store)
      if (source === '$..price') assert.deepEqual([...(found as number[])].sort(), [...(expected as number[])].sort())
      else assert.deepEqual(found, expected)
    })
  }

  test('from a document as deep as the limits allow', () => {
    let deep: Json = { leaf: 1 }
    for (let i = 0; i < 5_000; i++) deep = { inner: deep }
    assert.deepEqual(find('$..leaf', deep), [1])
  })
})

describe('a filter', () => {
  const titles = (filter: string): Json | undefined => find(`$.book[?(${filter})].title`, store)
  const cases: [filter: string, expected: Json][] = [
    ['@.price < 10', ['A', 'C']],
    ['@.price<=9', ['A', 'C']],
    ["@.title == 'B'", ['B']],
    ["@.title != 'B'", ['A', 'C']],
    ['@.isbn', ['B', 'C']],
    ['!@.isbn', ['A']],
    ['@.isbn && @.price < 10', ['C']],
    ['@.price > 10 || @.price == 8', ['A', 'B']],
    ['(@.price > 10 || @.price == 8) && @.isbn', ['B']],
    ['@.price > $.bike.price', []],
    ['@.price < $.bike.price', ['A', 'B', 'C']],
    ["@.title in ['A', 'C']", ['A', 'C']],
    ["@.title nin ['A', 'C']", ['B']],
    ["@.tags contains 'x'", ['A']],
    ['@.tags empty true', ['C']],
    ['@.tags size 1', ['A']],
    ['@.price == true', []],
    ["@.price == '8.0'", ['A']],
    ["@.price === '8'", []],
    ['@.price === 8', ['A']],
    ["@.price !== '8'", ['A', 'B', 'C']],
    ['@.isbn == 1', ['B']],
    ['@.isbn == 1.5', []],
    ["@.price in ['8', 'x', '']", ['A']],
    ['@.price nin 8', []],
    ['!(@.price in 8)', []],
    ["@.title == 'A' || @.price in 8", ['A']],
    ["@.tags nin ['x']", ['A', 'B', 'C']],
    ['@.tags subsetof @.nope', []],
    ['@.tags noneof [1]', ['A', 'C']],
    ["@.tags anyof ['x']", ['A']],
    ['@.price empty false', []],
    ['@.tags size @.nope', []],
    ["@.tags all ['x']", ['A']],
    ['@.tags all [1]', []],
    ["@.price > 'a'", []],
    ['@.title =~ /[ab]/i', ['A', 'B']],
    ['@.title =~ /[ab]/', []],
    ['/A|C/ =~ @.title', ['A', 'C']],
    ['@.tags =~ /x|nope/', ['A']],
    ['@.price =~ /1./', ['B']],
    ['@.isbn =~ /\\//', []],
    ['@.title =~ /A/ && @.price > 1', ['A']],
  ]
  for (const [filter, expected] of cases) test(filter, () => assert.deepEqual(titles(filter), expected))
})

describe('a path that takes too long ends the run', () => {
  const nested = (levels: number, bottom: Json = 1): Json => {
    let value = bottom
    for (let i = 0; i < levels; i++) value = [value]
    return value
  }
  const wide = Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`${i}`, i]))
  const cases: [what: string, path: string, data: Json][] = [
    ['by finding more with every step', `$${'[0,0]'.repeat(40)}`, nested(41)],
    ['by slices that overlap', `$${'[-1:1]'.repeat(40)}`, nested(41)],
    ['by scans within scans', '$..[?(@..a)]', nested(8_000)],
    ['by one regular expression', '$.items[?(@.n =~ /(a+)+b/)]', { items: [{ n: 'a'.repeat(40) }] }],
    ['by a regular expression with too many choices', '$[?(@ =~ /(a|b)*/)]', ['a'.repeat(240_000)]],
    ['by many matches that each take a while', '$[?(@ =~ /(a+)+b/)]', new Array(1_000).fill('a'.repeat(15))],
    ['by comparing all with all', '$[?(@ in $)]', Array.from({ length: 20_000 }, (_, i) => i)],
    [
      'by comparing what is large with its equal',
      '$.n[?($.a == $.b)]',
      { n: new Array(20_000).fill(0), a: [wide, [wide]], b: structuredClone([wide, [wide]]) },
    ],
    [
      'by looking for one text in another again and again',
      "$.n[?($.t contains 'abababaa')]",
      { n: new Array(20_000).fill(0), t: 'ab'.repeat(50_000) },
    ],
    ['by counting the same again and again', `$${'[0,0]'.repeat(15)}.keys()`, nested(15, wide)],
  ]
  for (const [what, path, data] of cases) {
    test(what, () => assert.throws(() => find(path, data), { error: 'States.Runtime', message: /takes too long/ }))
  }
})

test('a filter takes the longest texts and lists that a state may have', () => {
  const text = 'a'.repeat(250_000)
  for (const [filter, count] of [
    ['@ =~ /.*/', 1],
    ['@ =~ /b/', 0],
    ['@ =~ /.*b.*/', 0],
  ] as const) {
    assert.equal((find(`$[?(${filter})]`, [text]) as Json[]).length, count, filter)
  }
  const items = Array.from({ length: 20_000 }, (_, i) => ({ a: 1, b: i }))
  assert.equal((find('$..[?(@.a == 1 && @.b != 2)]', { items }) as Json[]).length, 39_998)
  const some = items.slice(0, 3_000)
  assert.equal(
    (find('$.items[?(@.b in $.wanted)]', { items: some, wanted: some.map(({ b }) => b) }) as Json[]).length,
    3_000,
  )
})

describe('a function at the end of a path', () => {
  test('works on numbers, arrays and objects', () => {
    assert.equal(find('$.book.length()', store), 3)
    assert.equal(find('$.n.avg()', { n: [1, 2, 3] }), 2)
    assert.deepEqual(find('$.bike.keys()', store), ['price', 'top speed'])
    assert.equal(find('$.n.first()', { n: [1, 2, 3] }), 1)
    assert.equal(find('$.n.last()', { n: [1, 2, 3] }), 3)
    assert.equal(find('$.n.stddev()', { n: [2, 4, 4, 4, 5, 5, 7, 9] }), 2)
    for (const path of ['$.n.sum()', '$.n[0].length()']) assert.equal(find(path, { n: ['a'] }), undefined)
  })

  test('works on each value of a path that leads to several', () => {
    assert.deepEqual(find('$.book[*].length()', store), [3, 3, 4])
    assert.deepEqual(find('$.n[*].sum()', { n: [[1, 2], [3]] }), [3, 3])
    assert.deepEqual(find('$.n[?(@ > 1)].length()', { n: [1, 2] }), [null])
    assert.deepEqual(find('$.n[?(@ > 9)].sum()', { n: [1, 2] }), [])
    assert.equal(find('$.book[*].price.sum()', store), undefined, 'a price is no list')
  })

  test('works on all values after a scan from the root', () => {
    assert.equal(find('$..price.max()', store), 20)
    assert.equal(find('$..book.length()', store), 3)
    assert.equal(find('$..price.length()', store), 0)
  })
})

test('a filter, a slice or a list of indexes fails on one value that it does not fit, and passes over such among several', () => {
  for (const v of ['text', 7, null]) assert.equal(find('$.v[?(@.a)]', { v }), undefined)
  for (const path of ['$.v[0:1]', '$.v[0,1]']) assert.equal(find(path, { v: {} }), undefined)
  assert.equal(find('$[1:5]', {}), undefined)
  for (const path of ['$.v[?(@.a)]', '$.v[1:5].x', '$.v.w[0,1]']) assert.deepEqual(find(path, {}), [])
  assert.deepEqual(find('$.v[*][?(@.a)]', { v: ['text', null, { a: 1 }] }), [{ a: 1 }])
  assert.deepEqual(find('$.v[*][0:1]', { v: ['text', [1, 2]] }), [1])
})
