import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compileJsonata } from '../jsonata.ts'

const outermost = (source: string): string[] => [...compileJsonata(source).references().outermost].sort()
const fields = (source: string): string[] => [...compileJsonata(source).references().fields].sort()

test('references() finds names that only the outermost context could have', () => {
  assert.deepEqual(outermost('a.b & $sum(c) & (d; $x := e) & (f ? g : h) & {"k": i} & [j] & -k'), [
    ...['a', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k'],
  ])
  assert.deepEqual(outermost('$map([1], function($v) { $v + a })'), ['a'])
  assert.deepEqual(outermost('$$.x'), ['$$'])
})

test('references() leaves names alone that stand in a path', () => {
  for (const source of ['$v.a.b', '$v[a > 1].b', '$v.(a & b)', '$v{a: b}', '$v^(a).b', '$v.{"x": a}', '$sum($v.a)']) {
    assert.deepEqual(outermost(source), [], source)
  }
})

test('references() finds the fields of variables', () => {
  assert.deepEqual(fields('$states.result.x & $map($v, function($i) { $states . input })'), [
    ...['states.input', 'states.result'],
  ])
  assert.deepEqual(fields('"$states.result"'), [])
})
