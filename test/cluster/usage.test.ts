/** What `npm run cluster` answers to a line it cannot do, before it starts anything. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { test } from 'node:test'

const PROGRAM = path.join(import.meta.dirname, '../../cluster/main.ts')

const cases: [string[], RegExp][] = [
  [['--each', '0'], /^--each must be a number from 1, was "0"\n.*--help/],
  [['--nope'], /^Unknown option '--nope'.*\n.*--help/],
  [['--load', '/nowhere/at/all'], /^there is no folder \/nowhere\/at\/all;/],
]

for (const [args, message] of cases) {
  test(`npm run cluster -- ${args.join(' ')} is refused in a sentence, with status 2`, {
    timeout: 60_000,
  }, async (t) => {
    const child = spawn(process.execPath, [PROGRAM, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    t.after(() => child.kill())
    let said = ''
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString()
    })
    // What starts a cluster would say so here, and is ended by the test.
    child.stdout.on('data', () => child.kill())
    const [status] = await once(child, 'close')
    assert.equal(status, 2, said)
    assert.match(said, message)
    assert.doesNotMatch(said, /\n {4}at /)
  })
}
