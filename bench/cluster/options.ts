/** The options of `npm run bench -- --cluster`. */
import { tmpdir } from 'node:os'
import { parseArgs } from 'node:util'
import { MEASURES } from './measures/index.ts'
import type { ClusterBenchOptions } from './stage.ts'

export const HELP = `Measures AIDOS as a cluster on this machine: PostgreSQL that syncs every commit, Redis, each role a process of its own, all
over the gateway's HTTP API. Beside each figure stands its floor, measured in the same run on the same servers: bare BullMQ, bare inserts
and updates. What each load cost (CPU by process, statements, Redis commands) is told below its figures.

  npm run bench -- --cluster [--only LIST] [--runs N] [--quick] [--redis single|cluster] [--replica] [--nginx] [--set NAME=VALUE]…
                             [--json FILE] [--idle SECONDS] [--dir DIR] [--profile DIR]

  --only LIST      some of: ${MEASURES.map(({ id }) => id).join(', ')} (comma-separated); all if left out
  --runs N         repeats of each measurement; 3 if left out
  --quick          loads so small that they show that all works, and little more
  --redis KIND     one Redis, or a Redis Cluster of six nodes; single if left out
  --replica        PostgreSQL with a streaming replica
  --nginx          nginx before the gateway
  --set NAME=VALUE a setting of every process, such as LEASE_MS=3000; may be repeated
  --json FILE      writes the figures as JSON too
  --idle SECONDS   how long the idle system is watched; 20 if left out
  --dir DIR        where the databases lie; the folder for temporary files if left out. The disk decides much of it.
  --profile DIR    takes a CPU profile of every process, and prints by role where the time went; best with one load (--only)

${MEASURES.map(({ id, about }) => `  ${id.padEnd(8)} ${about}`).join('\n')}
`

const positive = (name: string, text: string): number => {
  const value = Number(text)
  if (Number.isInteger(value) && value > 0) return value
  throw new Error(`--${name} must be a whole number from 1, was ${JSON.stringify(text)}`)
}

const oneOf = <const T extends string>(name: string, allowed: readonly T[], text: string): T => {
  const found = allowed.find((each) => each === text)
  if (found !== undefined) return found
  throw new Error(`--${name} has ${JSON.stringify(text)}; allowed: ${allowed.join(', ')}`)
}

const settingOf = (text: string): [string, string] => {
  const at = text.indexOf('=')
  if (at < 1) throw new Error(`--set must be NAME=VALUE, was ${JSON.stringify(text)}`)
  return [text.slice(0, at), text.slice(at + 1)]
}

export const readClusterOptions = (args: readonly string[]): ClusterBenchOptions => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      cluster: { type: 'boolean' },
      only: { type: 'string' },
      runs: { type: 'string' },
      quick: { type: 'boolean', default: false },
      redis: { type: 'string', default: 'single' },
      replica: { type: 'boolean', default: false },
      nginx: { type: 'boolean', default: false },
      set: { type: 'string', multiple: true, default: [] },
      json: { type: 'string' },
      idle: { type: 'string' },
      dir: { type: 'string', default: tmpdir() },
      profile: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  const { quick: isQuick } = values
  const known = MEASURES.map(({ id }) => id)
  return {
    only: values.only?.split(',').map((id) => oneOf('only', known, id.trim())) ?? known,
    runs: positive('runs', values.runs ?? (isQuick ? '1' : '3')),
    isQuick,
    redis: oneOf('redis', ['single', 'cluster'], values.redis),
    replica: values.replica,
    nginx: values.nginx,
    env: Object.fromEntries(values.set.map(settingOf)),
    json: values.json,
    idleSeconds: positive('idle', values.idle ?? (isQuick ? '5' : '20')),
    dir: values.dir,
    profileDir: values.profile,
    help: values.help,
  }
}
