import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DATABASES } from '../../test/support/databases.ts'
import { makeFakeClock } from '../platform/clock.ts'
import { makeHandTargets, makeTestSchedules } from './testing.ts'

test('the preview of a definition that is not stored keeps to the limit on its fires', async () => {
  const clock = makeFakeClock(0)
  const service = makeTestSchedules({ ...(await DATABASES[0]!.open()), clock, targets: makeHandTargets() })
  const definition = { timing: { every: '1 hour' }, target: { workflow: 'report' }, maxFires: 2 }
  assert.deepEqual(service.previewOf(definition, 10), [3_600_000, 7_200_000])
  assert.equal(service.previewOf({ ...definition, maxFires: null }, 10).length, 10)
})
