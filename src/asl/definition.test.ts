import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type ParsedDefinition, parseDefinition } from './index.ts'

const messageOf = (parsed: ParsedDefinition): string => (parsed.ok ? '' : parsed.findings[0]!.message)

describe('parseDefinition()', () => {
  test('reads JSON and YAML, and tells them apart', () => {
    const json = parseDefinition('{"StartAt": "A", "States": {}}')
    const yaml = parseDefinition('StartAt: A\nStates:\n  A: {Type: Succeed}\n')
    assert.deepEqual(json, { ok: true, definition: { StartAt: 'A', States: {} } })
    assert.deepEqual(yaml, { ok: true, definition: { StartAt: 'A', States: { A: { Type: 'Succeed' } } } })
  })

  test('lets an object pass', () => {
    const definition = { StartAt: 'A' }
    assert.equal((parseDefinition(definition) as { definition: object }).definition, definition)
  })

  test('says what is wrong and where', () => {
    assert.match(messageOf(parseDefinition('{"StartAt": }')), /not JSON/)
    assert.match(messageOf(parseDefinition('a: [1\nb: 2', 'yaml')), /not YAML: .*line \d+, column \d+/)
    assert.match(messageOf(parseDefinition('a: 1\na: 2', 'yaml')), /not YAML/)
    assert.match(messageOf(parseDefinition('not a definition')), /must be an object/)
    assert.match(messageOf(parseDefinition('[1]')), /must be an object/)
    assert.match(messageOf(parseDefinition(`{"Comment": "${'x'.repeat(1_100_000)}"}`)), /longer than/)
  })

  test('gives nothing but JSON from YAML, and is not blown up by aliases', () => {
    const parsed = parseDefinition('a: .nan\nb: 2026-01-01\n1: x', 'yaml')
    assert.deepEqual(parsed, { ok: true, definition: { a: null, b: '2026-01-01', '1': 'x' } })
    const bomb = [
      'a0: &a0 [x, x]',
      ...Array.from({ length: 30 }, (_, i) => `a${i + 1}: &a${i + 1} [*a${i}, *a${i}]`),
    ].join('\n')
    assert.equal(parseDefinition(bomb, 'yaml').ok, false)
  })
})
