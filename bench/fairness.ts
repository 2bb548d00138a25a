/**
 * `npm run bench -- fairness`: what a flood of one tenant does to another, what a flood of urgent work does to the rest, and how much
 * memory Redis takes for a long backlog. In one process over SQLite, and with split processes over PostgreSQL and Redis.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { startPostgres } from '../test/support/embedded-postgres.ts'
import { placeOf } from '../test/support/postgres-place.ts'
import { startRedis } from '../test/support/redis-process.ts'
import type { MakeInput, Starts } from './programs/task-node.ts'
import { type Program, startProgram } from './support/program.ts'
import type { Place } from './support/task-node.ts'

const HELP = `npm run bench -- fairness [--flood N] [--samples N] [--backlog N] [--only embedded,shared,memory]

  --flood N     tasks of the flooding tenant; 100000 if left out
  --samples N   tasks of the other tenant, one a second, idle and again flooded; 60 if left out
  --backlog N   queued tasks for the memory of Redis; 1000000 if left out
`

/** Of each task of a flood; 50 places do 1000 of them a second. */
const WORK_MS = 50
const LOOK_MS = 500

interface Options {
  readonly flood: number
  readonly samples: number
  readonly backlog: number
}

/** Who makes tasks, and who does them: one program or two. */
interface Nodes {
  readonly maker: Program
  readonly doer: Program
}

const say = (line: string): void => void process.stdout.write(`${line}\n`)
const load = (): string => `load ${loadavg()[0]?.toFixed(1)}`

const at = (values: readonly number[], part: number): number => {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN
}

const show = (values: readonly number[]): string =>
  `p50 ${at(values, 0.5).toFixed(1)} ms, p99 ${at(values, 0.99).toFixed(1)} ms, most ${at(values, 1).toFixed(1)} ms of ${values.length}`

const startsOf = ({ doer }: Nodes): Promise<Starts> => doer.ask<Starts>('starts')

const make = ({ maker }: Nodes, input: MakeInput): Promise<number> => maker.ask('make', input)

/** Tenant B does one task a second, first alone and then beside the flood of tenant A. */
const tenants = async (nodes: Nodes, { flood, samples }: Options): Promise<void> => {
  const paced = { tenantId: 'b', label: 'b', priority: 3, count: samples, workMs: 0, everyMs: 1000 } as const
  await make(nodes, { ...paced, count: 20, everyMs: 20 })
  await startsOf(nodes)
  await make(nodes, paced)
  await pause(LOOK_MS)
  const idle = (await startsOf(nodes)).b ?? []
  say(`  B alone:                 ${show(idle)} (${load()})`)

  const seconds = await make(nodes, { tenantId: 'a', label: 'a', priority: 3, count: flood, workMs: WORK_MS })
  say(`  A's ${flood} tasks were accepted in ${seconds.toFixed(1)} s`)
  await startsOf(nodes)
  const beganMs = performance.now()
  await make(nodes, paced)
  await pause(LOOK_MS)
  const { a = [], b = [] } = await startsOf(nodes)
  const left = await nodes.maker.ask<number>('queued')
  const rate = (a.length * 1000) / (performance.now() - beganMs)
  say(`  B beside A's flood:      ${show(b)} (${load()}; A's went on at ${rate.toFixed(0)}/s, ${left} were left)`)
  say(`  p99 ratio:               ${(at(b, 0.99) / at(idle, 0.99)).toFixed(1)} (aim: at most 3)`)
}

/** The flood of CRITICAL tasks goes on while one tenant's LOW tasks wait behind it. */
const priorities = async (nodes: Nodes, { flood, samples }: Options): Promise<void> => {
  await startsOf(nodes)
  const urgent = { tenantId: 'c', label: 'critical', priority: 1, workMs: WORK_MS } as const
  await make(nodes, { ...urgent, count: flood })
  const low = { label: 'low', priority: 4, count: 200, workMs: 0 } as const
  await make(nodes, { ...low, tenantId: 'c', label: 'low of the flooding tenant' })
  await make(nodes, { ...low, tenantId: 'd', label: 'low of another tenant' })
  await startsOf(nodes)
  await pause(Math.min(samples, 60) * 1000)
  const starts = await startsOf(nodes)
  const left = await nodes.maker.ask<number>('queued')
  const seconds = Math.min(samples, 60)
  say(
    `  in ${seconds} s of a CRITICAL flood (${left} left; ${load()}): ${starts.critical?.length ?? 0} CRITICAL started`,
  )
  for (const label of ['low of the flooding tenant', 'low of another tenant']) {
    say(`  ${`${label}:`.padEnd(28)} ${starts[label]?.length ?? 0} of 200 started; waited ${show(starts[label] ?? [])}`)
  }
}

const embedded = async (options: Options): Promise<void> => {
  for (const scene of [tenants, priorities]) {
    const folder = await mkdtemp(join(tmpdir(), 'aidos-fairness-'))
    const place: Place = { kind: 'embedded', folder }
    const program = await startProgram({ name: 'task-node', args: [JSON.stringify(place)] })
    try {
      await program.ask('execute')
      await program.ask('sweep')
      await scene({ maker: program, doer: program }, options)
    } finally {
      await program.stop()
      await rm(folder, { recursive: true, force: true, maxRetries: 5 })
    }
  }
}

const withServers = async (
  work: (place: Place, redis: Awaited<ReturnType<typeof startRedis>>) => Promise<void>,
): Promise<void> => {
  const postgres = await startPostgres()
  const redis = await startRedis()
  try {
    const { database, ...server } = placeOf(postgres.url)
    await work({ kind: 'shared', postgres: server, database, redisPort: redis.port }, redis)
  } finally {
    await redis.stop()
    await postgres.stop()
  }
}

const shared = async (options: Options): Promise<void> => {
  for (const scene of [tenants, priorities]) {
    await withServers(async (place) => {
      const args = [JSON.stringify(place)]
      const maker = await startProgram({ name: 'task-node', args })
      const doer = await startProgram({ name: 'task-node', args })
      try {
        await doer.ask('execute')
        await maker.ask('sweep')
        await scene({ maker, doer }, options)
      } finally {
        await doer.stop()
        await maker.stop()
      }
    })
  }
}

const memoryOf = async (redis: Awaited<ReturnType<typeof startRedis>>): Promise<number> => {
  const text = String(await redis.command('INFO', 'memory'))
  return Number(/used_memory:(\d+)/.exec(text)?.[1]) / 1e6
}

const memory = (options: Options): Promise<void> =>
  withServers(async (place, redis) => {
    const maker = await startProgram({ name: 'task-node', args: [JSON.stringify(place)] })
    try {
      const before = await memoryOf(redis)
      await maker.ask('fill', { count: options.backlog, tenants: 50 })
      const beganMs = performance.now()
      await maker.ask('sweep')
      const seconds = (performance.now() - beganMs) / 1000
      await pause(2000)
      const queued = await maker.ask<number>('queued')
      const after = await memoryOf(redis)
      say(
        `  ${queued} tasks queued in the database: Redis ${before.toFixed(1)} MB before, ${after.toFixed(1)} MB after`,
      )
      say(`  the first sweep over that backlog took ${seconds.toFixed(2)} s (${load()})`)
    } finally {
      await maker.stop()
    }
  })

const SCENES = { embedded, shared, memory }

export const runFairness = async (args: readonly string[]): Promise<void> => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      flood: { type: 'string', default: '100000' },
      samples: { type: 'string', default: '60' },
      backlog: { type: 'string', default: '1000000' },
      only: { type: 'string', default: Object.keys(SCENES).join(',') },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) return say(HELP.trimEnd())
  const options = { flood: Number(values.flood), samples: Number(values.samples), backlog: Number(values.backlog) }
  for (const [name, scene] of Object.entries(SCENES)) {
    if (!values.only.split(',').includes(name)) continue
    say(`${name} (${load()}):`)
    await scene(options)
  }
}
