import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Visit } from '../visit.ts'
import { compileTolerance } from './map-tolerance.ts'

test('a percentage is exceeded by more failures than it allows, not by as many', async () => {
  for (const [percentage, total, allowed] of [
    [2.3, 3000, 69],
    [0.57, 10_000, 57],
    [50, 3, 1],
    [100, 7, 7],
  ] as const) {
    const tolerance = compileTolerance({ ToleratedFailurePercentage: percentage }, 'JSONPath')
    const account = (await tolerance({} as Visit, {}))(total)
    account.count({ succeeded: total - allowed, failed: allowed })
    account.finish()
    assert.equal(account.left(), 0)
    if (allowed < total) assert.throws(() => account.count({ succeeded: 0, failed: 1 }), /threshold/)
  }
})
