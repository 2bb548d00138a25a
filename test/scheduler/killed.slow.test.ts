import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeTempFolder } from '../support/temp-folder.ts'
import { runKilledTest } from './killed-test.ts'

test('every time of every schedule fires once while schedulers are killed', async () => {
  const { checks, summary, kills } = await runKilledTest({
    ...{ seconds: 10, schedulers: 3, killEveryMs: 1000, spared: 1, count: 2 },
    ...{ folder: await makeTempFolder(), say: () => {} },
  })
  assert.deepEqual(
    checks.filter(({ problems }) => problems.length > 0),
    [],
    summary.join('\n'),
  )
  assert.ok(kills >= 1, `${kills} kills`)
})
