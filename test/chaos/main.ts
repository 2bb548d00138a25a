/** The chaos test as a program: a cluster under a mixed load, harmed by a plan that a seed repeats, and proof that nothing was lost or done twice. */
import { once } from 'node:events'
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Cluster } from '../../cluster/cluster.ts'
import type { RedisKind } from '../../cluster/redis.ts'
import { clusterTable } from '../../cluster/table.ts'
import { showChecks } from '../kill/checks.ts'
import { runProgram, say } from '../support/program.ts'
import { type ChaosResult, runChaosTest } from './chaos-test.ts'
import { type FaultKind, ROLE_FAULTS, SERVER_FAULTS } from './plan.ts'
import { showRecovery } from './recovery.ts'

const KINDS: readonly FaultKind[] = [...ROLE_FAULTS, ...SERVER_FAULTS]
const REDIS_KINDS: readonly RedisKind[] = ['cluster', 'single', 'sentinel']

const HELP = `Starts a cluster on this machine (see "npm run cluster -- --help"), gives it a mixed load, kills, freezes and cuts off its parts at random,
and proves at the end that everything accepted was completed, or is dead with a reason, and that nothing finished was done again.

  npm run chaos -- [--seconds N] [--seed N] [--rate N] [--redis cluster|single|sentinel] [--each N] [--uneven N] [--only FAULT,FAULT] [--keep] [--hold]

  --seconds N   how long there are faults and load; 180 if left out, 3600 for a long one
  --seed N      repeats the plan of an earlier test (its moments still fall where the machine lets them)
  --rate N      requests a second, about; 3 if left out
  --redis KIND  cluster if left out
  --each N      processes of each role; 2 if left out
  --uneven N    how unevenly all processes run: with 1 what arrives at sockets is late at random, by up to 300 ms; 0 if left out
  --only LIST   only these faults: ${KINDS.join(', ')}
  --keep        leaves the folder with the logs of all processes, the database's files and the effects; after a failure it is left anyway

  --hold        after a failure the cluster goes on running, to be looked at, until Ctrl-C

The status is 1 when something that must hold does not.
`

const number = (name: string, given: string, least: number): number => {
  const value = Number(given)
  if (Number.isFinite(value) && value >= least) return value
  throw new Error(`--${name} must be a number from ${least}, was ${JSON.stringify(given)}`)
}

const faultsOf = (given: string | undefined): FaultKind[] | undefined => {
  if (given === undefined) return undefined
  return given.split(',').map((name) => {
    const kind = KINDS.find((each) => each === name.trim())
    if (!kind) throw new Error(`--only: there is no fault ${JSON.stringify(name)}; there are ${KINDS.join(', ')}`)
    return kind
  })
}

const hold = async (cluster: Cluster): Promise<void> => {
  say(`${await clusterTable(cluster)}\n\nAPI ${cluster.url} key ${cluster.key}\nCtrl-C stops it`)
  await once(process, 'SIGINT')
}

const main = async (): Promise<boolean> => {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '180' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      rate: { type: 'string', default: '3' },
      redis: { type: 'string', default: 'cluster' },
      each: { type: 'string', default: '2' },
      uneven: { type: 'string', default: '0' },
      only: { type: 'string' },
      keep: { type: 'boolean', default: false },
      hold: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) {
    say(HELP.trimEnd())
    return true
  }
  const seconds = number('seconds', values.seconds, 1)
  const seed = number('seed', values.seed, 0)
  const rate = number('rate', values.rate, 0.1)
  const each = number('each', values.each, 1)
  const uneven = number('uneven', values.uneven, 0)
  const redis = REDIS_KINDS.find((kind) => kind === values.redis)
  if (!redis) throw new Error(`--redis must be one of ${REDIS_KINDS.join(', ')}, was ${JSON.stringify(values.redis)}`)
  const only = faultsOf(values.only)
  const folder = await mkdtemp(join(await realpath(tmpdir()), 'aidos-chaos-'))
  say(`seed ${seed}: ${seconds} s of faults; everything is in ${folder}`)
  let isGood = false
  try {
    const inspect = async (cluster: Cluster, { checks, recoveries, summary }: ChaosResult): Promise<void> => {
      const failed = checks.filter(({ problems }) => problems.length > 0).length
      say(`${summary.join('\n')}\n\n${showRecovery(recoveries)}\n\n${showChecks(checks)}\n`)
      say(`${checks.length - failed} passed, ${failed} failed (seed ${seed})`)
      isGood = failed === 0
      if (values.hold && !isGood) await hold(cluster)
    }
    await runChaosTest({ seed, seconds, rate, redis, each, uneven, only, folder, say, inspect })
    return isGood
  } finally {
    if (values.keep || !isGood) say(`logs, data and effects: ${folder}`)
    else await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  }
}

runProgram(main)
