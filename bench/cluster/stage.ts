/** What every measurement of the cluster is given: the running cluster, who plays in it, and the programs that load it. */
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { Pool } from 'undici'
import { type Cluster, startCluster } from '../../cluster/cluster.ts'
import type { RedisKind } from '../../cluster/redis.ts'
import { ROLES, type Role } from '../../src/config.ts'
import { type Program, startProgram } from '../support/program.ts'
import type { FloorSettings } from './programs/floor.ts'
import { type Cost, makeObserve } from './support/counters.ts'

/** Requests, rows and jobs under way at a time, of a load as of its floor. */
export const WIDTH = 50
/** The most processes of a role that a measurement asks for. */
const MOST: Readonly<Partial<Record<Role, number>>> = { executor: 4, workflows: 2 }

export interface ClusterBenchOptions {
  readonly only: readonly string[]
  readonly runs: number
  readonly isQuick: boolean
  readonly redis: RedisKind
  readonly replica: boolean
  readonly nginx: boolean
  /** Settings of every process, over the benchmark's own. */
  readonly env: Readonly<Record<string, string>>
  readonly json: string | undefined
  readonly idleSeconds: number
  readonly dir: string
  readonly profileDir: string | undefined
  readonly help: boolean
}

export type Scene = Readonly<Partial<Record<Role, number>>>

/** By the database's own times, in whole milliseconds. */
export interface EndedRun {
  readonly createdAt: string
  readonly startedAt: string
  readonly finishedAt: string
}

export interface Stage {
  readonly options: ClusterBenchOptions
  readonly cluster: Cluster
  readonly headers: Readonly<Record<string, string>>
  /** As the administrator of PostgreSQL; what it asks is not counted. */
  readonly watcher: pg.Client
  /** Bare PostgreSQL and bare BullMQ. */
  floor(index?: number): Promise<Program>
  /** A program of `programs/`. */
  program(name: string, args?: readonly string[]): Promise<Program>
  /** So many processes of each role from now on, one where none is named; resolves when all are ready. */
  set(scene: Scene): Promise<void>
  post<T>(path: string, body: unknown): Promise<T>
  /** No standing task is begun while it lasts, though all executors are there. */
  pauseTasks(isPaused: boolean): Promise<void>
  /** Runs a workflow of `bench/code/` to its end; rejects when it does not complete. */
  run(workflow: string, steps: number): Promise<EndedRun>
  /** Resolves when no task is open any more. */
  drained(): Promise<void>
  observe<T>(work: () => Promise<T>): Promise<{ readonly value: T; readonly cost: Cost }>
  /** `one` for each repeat. */
  repeat<T>(one: (index: number) => Promise<T>): Promise<T[]>
  stop(): Promise<void>
}

const CODE = fileURLToPath(new URL('../code', import.meta.url))
const DRAIN_MS = 180_000
const LOOK_EVERY_MS = 500

/** Nothing that refuses work on purpose may stand in the way. */
const NO_LIMITS = {
  RATE_LIMIT_TENANT_PER_MINUTE: '0',
  RATE_LIMIT_KEY_PER_MINUTE: '0',
  CONCURRENT_REQUESTS_TENANT: '0',
  SHED_REQUESTS: '0',
  SHED_LAG_MS: '0',
  SHED_MEMORY_PERCENT: '0',
}

const profiling = (dir: string | undefined): Record<string, string> =>
  dir === undefined ? {} : { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${dir}` }

/** Statements are counted from here on. The server has to be started again for it, which the processes outlast. */
const countStatements = async ({ postgres: { primary }, services }: Cluster): Promise<void> => {
  await primary.query("ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'")
  await primary.stop('fast')
  await primary.start()
  await Promise.all(services.map((service) => service.ready()))
}

export const startStage = async (options: ClusterBenchOptions, folder: string): Promise<Stage> => {
  const say = (line: string): void => void process.stderr.write(`starting ${line}\n`)
  const counts = Object.fromEntries(ROLES.map((role) => [role, MOST[role] ?? 1])) as Record<Role, number>
  const cluster = await startCluster({
    ...{ folder, redis: options.redis, nginx: options.nginx, replica: options.replica, load: [CODE], say },
    rolesPerService: counts,
    env: { ...NO_LIMITS, ...profiling(options.profileDir), ...options.env },
  })
  const stops: (() => Promise<unknown>)[] = [() => cluster.stop()]
  const stop = async (): Promise<void> => {
    for (const each of stops.splice(0).reverse()) await each()
  }
  try {
    await countStatements(cluster)
    const { DB_HOST: host = '', DB_PORT = '', DB_PASSWORD: password = '' } = cluster.postgres.env
    const postgres = { host, port: Number(DB_PORT), user: 'postgres', password }
    const watcher = new pg.Client({ ...postgres, database: 'aidos' })
    await watcher.connect()
    await watcher.query('CREATE EXTENSION pg_stat_statements')
    stops.push(() => watcher.end())
    const pool = new Pool(cluster.url, { connections: WIDTH, pipelining: 1 })
    stops.push(() => pool.close())
    const headers = { authorization: `Bearer ${cluster.key}`, 'content-type': 'application/json' }

    const ask = async (method: 'POST' | 'PUT', path: string, body: unknown): Promise<unknown> => {
      const answer = await pool.request({ method, path, headers, body: JSON.stringify(body) })
      const text = await answer.body.text()
      if (answer.statusCode >= 300) throw new Error(`${method} ${path} answered ${answer.statusCode}: ${text}`)
      return JSON.parse(text)
    }
    const post = async <T>(path: string, body: unknown): Promise<T> => (await ask('POST', path, body)) as T
    const program = async (name: string, args: readonly string[] = []): Promise<Program> => {
      const started = await startProgram({ name: `../cluster/programs/${name}`, args })
      stops.push(() => started.stop())
      return started
    }
    const nodes = cluster.redis.nodes.map(({ host, port }) => ({ host, port }))
    const settings: FloorSettings = {
      postgres: { ...postgres, user: 'aidos' },
      redis: { isCluster: options.redis === 'cluster', nodes },
      width: WIDTH,
    }
    const floors: Promise<Program>[] = []
    const observe = makeObserve(cluster, watcher)

    return {
      ...{ options, cluster, headers, watcher, program, post, observe, stop },
      floor: (index = 0) => {
        floors[index] ??= program('floor', [JSON.stringify(settings)])
        return floors[index]
      },
      async pauseTasks(paused) {
        await ask('PUT', '/v1/queues/rules', { partition: 'tasks', paused })
      },
      async set(scene) {
        const wanted = cluster.services.filter(({ role, name }) => Number(name.split('-').at(-1)) <= (scene[role] ?? 1))
        await Promise.all(
          cluster.services.filter((service) => !wanted.includes(service)).map((service) => service.stop()),
        )
        for (const service of wanted) service.start()
        await Promise.all(wanted.map((service) => service.ready()))
      },
      async run(workflow, steps) {
        const run = await post<EndedRun & { status: string }>('/v1/runs?wait=60000', { workflow, input: { steps } })
        if (run.status !== 'completed') throw new Error(`a run of ${workflow} is ${run.status}`)
        return run
      },
      async drained() {
        const untilMs = performance.now() + DRAIN_MS
        const open = "SELECT 1 FROM tasks WHERE status IN ('queued', 'running') LIMIT 1"
        while ((await watcher.query(open)).rows.length > 0) {
          if (performance.now() > untilMs) throw new Error(`tasks are still open after ${DRAIN_MS} ms`)
          await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
        }
      },
      async repeat(one) {
        const results = []
        for (let i = 0; i < options.runs; i++) results.push(await one(i))
        return results
      },
    }
  } catch (error) {
    await stop()
    throw error
  }
}
