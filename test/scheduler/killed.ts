/** The schedulers' kill test as a program: several of them over one database, one killed every second, and proof that every time fired once. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { showChecks } from '../kill/checks.ts'
import { runProgram, say, wholeNumber } from '../support/program.ts'
import { runKilledTest } from './killed-test.ts'

const HELP = `Starts schedulers as processes of their own (with a gateway, a workflows process and an executor, PostgreSQL and Redis) on this machine,
kills one after the other while schedules fire, and proves at the end that every time fired once.

  node test/scheduler/killed.ts [--seconds N] [--schedulers N] [--every MS] [--spare N] [--count N] [--keep]

  --seconds N      how long schedules fire; 120 if left out
  --schedulers N   5 if left out
  --every MS       between two kills; 1000 if left out, 0 kills none
  --spare N        ready schedulers that are not killed; 1 if left out. With 0 a slow machine has none most of the time.
  --count N        schedules of each of four kinds; 5 if left out (2.3 fires a second each)
  --keep           leaves the folder with logs and data; after a failure it is left anyway

The status is 1 when something that must hold does not.
`

const main = async (): Promise<boolean> => {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '120' },
      schedulers: { type: 'string', default: '5' },
      every: { type: 'string', default: '1000' },
      spare: { type: 'string', default: '1' },
      count: { type: 'string', default: '5' },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) {
    say(HELP.trimEnd())
    return true
  }
  const folder = await mkdtemp(join(tmpdir(), 'aidos-schedulers-'))
  let isGood = false
  try {
    const everyMs = wholeNumber('every', values.every)
    const { checks, summary } = await runKilledTest({
      seconds: wholeNumber('seconds', values.seconds, 1),
      schedulers: wholeNumber('schedulers', values.schedulers, 1),
      count: wholeNumber('count', values.count, 1),
      killEveryMs: everyMs === 0 ? undefined : everyMs,
      spared: wholeNumber('spare', values.spare),
      folder,
      say,
    })
    isGood = checks.every(({ problems }) => problems.length === 0)
    say(`\n${summary.join('\n')}\n\n${showChecks(checks)}`)
    return isGood
  } finally {
    if (values.keep || !isGood) say(`logs and data: ${folder}`)
    else await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  }
}

runProgram(main)
