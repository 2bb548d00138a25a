import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeFakeClock } from '../platform/clock.ts'
import { makeBrokenConnections } from './broken-connections.ts'

test('makeBrokenConnections() tells of an outage in one line, and of the next one in another', () => {
  const clock = makeFakeClock()
  const lines: unknown[] = []
  const broke = makeBrokenConnections({ error: (...words: unknown[]) => void lines.push(words) }, clock)
  const errors = Array.from({ length: 10 }, (_, i) => new Error(`${i}`))
  for (const error of errors) {
    broke(error)
    clock.advance(10)
  }
  clock.advance(1000)
  broke(errors[9]!)
  clock.advance(1000)
  assert.deepEqual(lines, [
    [{ err: errors[0], connections: 10 }, 'connections to the database broke'],
    [{ err: errors[9], connections: 1 }, 'a connection to the database broke'],
  ])
})
