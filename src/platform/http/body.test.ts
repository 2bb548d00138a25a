import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isTooDeep, spellsNul } from './body.ts'

test('isTooDeep() counts nesting, and nothing inside of texts', () => {
  assert.equal(isTooDeep('['.repeat(100) + ']'.repeat(100)), false)
  assert.equal(isTooDeep('['.repeat(101) + ']'.repeat(101)), true)
  assert.equal(isTooDeep(`${'{"a":'.repeat(101)}1${'}'.repeat(101)}`), true)
  assert.equal(isTooDeep(JSON.stringify(['['.repeat(500), `"\\${'{'.repeat(500)}`])), false)
  assert.equal(isTooDeep(JSON.stringify(Array.from({ length: 1000 }, () => [{}]))), false)
})

test('spellsNul() finds the escape of a NUL character in texts and keys, and not the escape of a backslash before "u0000"', () => {
  assert.equal(spellsNul(JSON.stringify({ a: 'x\u0000' })), true)
  assert.equal(spellsNul(JSON.stringify({ '\u0000': 1 })), true)
  assert.equal(spellsNul(JSON.stringify(['\\\u0000'])), true)
  assert.equal(spellsNul(JSON.stringify(['\\u0000'])), false)
  assert.equal(spellsNul(JSON.stringify(['\\\\u0000', '0000'])), false)
})
