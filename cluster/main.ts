/** `npm run cluster`: a whole cluster on this machine, from installed programs, until Ctrl-C. */
import { mkdtemp, realpath, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { type Cluster, startCluster } from './cluster.ts'
import type { RedisKind } from './redis.ts'
import { clusterTable } from './table.ts'

const HELP = `Starts a whole AIDOS cluster on this machine, on loopback and free ports, below a temporary folder: PostgreSQL with a streaming
replica, a Redis Cluster of six nodes, processes of each of the seven roles, and nginx before the gateways. Ctrl-C stops all of it.

  npm run cluster -- [--each N] [--redis cluster|single|sentinel] [--load DIR]… [--no-nginx] [--no-replica] [--keep] [--watch S]

  --each N       processes of each role; 2 if left out
  --redis KIND   a Redis Cluster, one Redis, or one with a replica and sentinels; cluster if left out
  --load DIR     a folder of your own workflows, tasks and agents, for every process; may be repeated
  --no-nginx     the first gateway is called directly
  --no-replica   PostgreSQL alone
  --watch S      prints the table of the processes every S seconds; without it, at each Enter
  --keep         leaves the folder with logs and data

Settings of the environment that AIDOS reads (MODEL_BASE_URL, LOG_LEVEL, QUEUE_CONCURRENCY, …) reach every process, but for DB_…,
REDIS_…, PORT and HOST. PostgreSQL comes with "npm ci"; redis-server and nginx are installed by apt-get where this is root on Debian.
`

const REDIS_KINDS: readonly RedisKind[] = ['cluster', 'single', 'sentinel']

const say = (line: string): void => void process.stdout.write(`${line}\n`)

/** A mistake of the command line: its message says enough. */
class UsageError extends Error {}

const read = () => {
  try {
    return parse()
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n"npm run cluster -- --help" lists the options.`, {
      cause: error,
    })
  }
}

/** Before anything is started: fourteen processes would fail for it, again and again. */
const checkFolders = async (folders: readonly string[]): Promise<void> => {
  for (const folder of folders) {
    const info = await stat(folder).catch(() => undefined)
    if (!info?.isDirectory()) throw new UsageError(`there is no folder ${folder}; --load takes a folder with your code`)
  }
}

const parse = () => {
  const { values } = parseArgs({
    allowNegative: true,
    options: {
      each: { type: 'string', default: '2' },
      redis: { type: 'string', default: 'cluster' },
      load: { type: 'string', multiple: true, default: [] },
      nginx: { type: 'boolean', default: true },
      replica: { type: 'boolean', default: true },
      watch: { type: 'string', default: '0' },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  const number = (name: 'each' | 'watch', least: number): number => {
    const value = Number(values[name])
    if (Number.isFinite(value) && value >= least) return value
    throw new Error(`--${name} must be a number from ${least}, was ${JSON.stringify(values[name])}`)
  }
  const redis = REDIS_KINDS.find((kind) => kind === values.redis)
  if (!redis) throw new Error(`--redis must be one of ${REDIS_KINDS.join(', ')}, was ${JSON.stringify(values.redis)}`)
  const each = number('each', 1)
  if (!Number.isInteger(each)) throw new Error('--each must be a whole number')
  return { ...values, redis, each, watchS: number('watch', 0) }
}

/** What of this process's environment is meant for the services. */
const passedOn = (): Record<string, string> => {
  const ours =
    /^(AIDOS_(SECRET_KEY|BINDINGS_FILE|FILES_ROOT)|LOG_|MODEL_|OUTBOUND_|SMTP_|QUEUE_|RUNS_|LEASE_|CACHE_|BODY_|PAYLOAD_)/
  const entries = Object.entries(process.env).filter(
    ([name, value]) => ours.test(name) && value !== undefined && value !== '',
  )
  return Object.fromEntries(entries) as Record<string, string>
}

/** Resolves at the first Ctrl-C or SIGTERM; the second ends the process, and with it all children. */
const stopAsked = (): Promise<void> =>
  new Promise((resolve) => {
    let asked = 0
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => {
        if (++asked > 1) process.exit(130)
        resolve()
      })
    }
  })

const welcome = ({ url, key, logs }: Cluster): string => `
The API: ${url}   (reference: ${url}/docs)
A key:   ${key}
Logs:    ${logs}

In another terminal:
  export AIDOS_URL=${url} AIDOS_KEY=${key}
  npx aidos doctor
  npx aidos tasks create skill:core/echo --input '{"text":"hello"}'
  curl -H "authorization: Bearer $AIDOS_KEY" ${url}/v1/runs

Enter shows the processes, Ctrl-C stops all of them. A service that you kill comes back: kill -9 PID`

const main = async (): Promise<void> => {
  const options = read()
  if (options.help) return say(HELP.trimEnd())
  await checkFolders(options.load)
  const folder = await mkdtemp(path.join(await realpath(tmpdir()), 'aidos-cluster-'))
  const began = performance.now()
  const seconds = (): string => `${((performance.now() - began) / 1000).toFixed(1).padStart(5)} s`
  const asked = stopAsked()
  const { each, redis, nginx, replica, load } = options
  const starting = startCluster({
    ...{ folder, redis, nginx, replica, load, rolesPerService: each, env: passedOn() },
    say: (line) => say(`${seconds()}  ${line}`),
  })
  let stopReading = (): void => {}
  try {
    const cluster = await Promise.race([starting, asked])
    if (!cluster) {
      say('stopping: what is being started is ended')
      const late = await starting.catch(() => undefined)
      return await late?.stop()
    }
    say(`${seconds()}  all ready`)
    const show = async (): Promise<void> => say(`\n${await clusterTable(cluster)}`)
    await show()
    say(welcome(cluster))
    const lines = createInterface({ input: process.stdin })
    lines.on('line', () => void show())
    const timer = options.watchS > 0 ? setInterval(() => void show(), options.watchS * 1000) : undefined
    stopReading = () => {
      lines.close()
      clearInterval(timer)
    }
    await asked
    say('\nstopping: work under way may finish')
    stopReading()
    await cluster.stop()
    say('all stopped')
  } finally {
    stopReading()
    if (options.keep) say(`left in ${folder}`)
    else await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  }
}

main().catch((error: unknown) => {
  const isUsage = error instanceof UsageError
  const text = error instanceof Error ? (isUsage ? error.message : (error.stack ?? error.message)) : String(error)
  process.stderr.write(`${text}\n`)
  process.exitCode = isUsage ? 2 : 1
})
