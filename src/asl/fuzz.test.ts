import { describe, test } from 'node:test'
import fc from 'fast-check'
import { checksAnything, endsProperly, replaysTheSame } from '../../test/asl/properties.ts'

/** A few hundred of what `test/asl/fuzz.ts` does for long; fewer where the machine is busy. */
const options = { numRuns: 100, interruptAfterTimeLimit: 7_000 }

describe('for random definitions, inputs and worlds', () => {
  test('reading and checking never throw', () => fc.assert(checksAnything, { ...options, numRuns: 500 }))
  test('every run ends in a result or a documented error', () => fc.assert(endsProperly, options))
  test('a run that was killed anywhere and replayed gives the same', () => fc.assert(replaysTheSame, options))
})
