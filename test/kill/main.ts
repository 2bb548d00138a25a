/** The kill test as a program: a long run, SIGKILL at random moments, and proof that nothing finished was done again. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { runProgram, say, wholeNumber } from '../support/program.ts'
import { showChecks } from './checks.ts'
import { runKillTest } from './kill-test.ts'

const HELP = `Kills a real server with SIGKILL at random moments of a long run, starts it again each time, and proves that the run completes
and that nothing finished was done again.

  npm run test:kill -- [--kills N] [--steps N] [--seed N] [--keep]

  --kills N   how often it is killed; 50 if left out
  --steps N   steps of the run, in a row and side by side, as functions and as tasks; 200 if left out
  --seed N    repeats the plan of an earlier test (its moments still fall where the machine lets them)
  --keep      leaves the folder with the database and the file of effects
`

const main = async (): Promise<boolean> => {
  const { values } = parseArgs({
    options: {
      kills: { type: 'string', default: '50' },
      steps: { type: 'string', default: '200' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) {
    say(HELP.trimEnd())
    return true
  }
  const seed = wholeNumber('seed', values.seed)
  const kills = wholeNumber('kills', values.kills)
  const steps = wholeNumber('steps', values.steps)
  const folder = await mkdtemp(join(tmpdir(), 'aidos-kill-'))
  say(`seed ${seed}: ${kills} kills in a run of ${steps} steps`)
  try {
    const startMs = performance.now()
    const { checks, summary } = await runKillTest({ seed, kills, steps, folder, say })
    const failed = checks.filter(({ problems }) => problems.length > 0).length
    const seconds = ((performance.now() - startMs) / 1000).toFixed(1)
    say(`\n${summary.join('\n')}\n\n${showChecks(checks)}\n`)
    say(`${checks.length - failed} passed, ${failed} failed (seed ${seed}, ${seconds} s)`)
    return failed === 0
  } finally {
    if (values.keep) say(`left in ${folder}`)
    else await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

runProgram(main)
