/** The kill test in short: see test/kill for the long one. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runKillTest } from './kill/kill-test.ts'
import { makeTempFolder } from './support/temp-folder.ts'

test('a server killed with SIGKILL again and again completes its runs and does nothing finished again', async (t) => {
  const folder = await makeTempFolder(t)
  const seed = Date.now() % 1_000_000
  const { checks } = await runKillTest({ seed, kills: 3, steps: 30, folder, say: (line) => t.diagnostic(line) })
  for (const { name, problems } of checks) assert.deepEqual(problems, [], `${name} (seed ${seed})`)
})
