/**
 * `npm run bench -- schedules`: a hundred thousand schedules in one process, on SQLite and on PostgreSQL. First all are dormant; then
 * their times come, evenly spread. Lateness is read from the history of fires.
 */
import { randomBytes } from 'node:crypto'
import { chmod, mkdir, mkdtemp, readdir, readFile, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { makeLeash } from '../cluster/leash.ts'
import { makePorts } from '../cluster/ports.ts'
import { startPostgres } from '../cluster/postgres.ts'
import { type Server, startServer } from '../test/kill/server.ts'
import { freePort } from '../test/support/free-port.ts'
import { loadNow } from './report.ts'
import { cpuMsOf, residentMb } from './support/proc.ts'
import { CODE } from './support/server.ts'
import { percentile } from './support/stats.ts'

const HELP = `npm run bench -- schedules [--count N] [--rate N] [--seconds N] [--idle N] [--on sqlite,postgres]

  --count N     schedules; 100000 if left out
  --rate N      fires a minute, together; 2000 if left out
  --seconds N   how long fires are measured; 120 if left out
  --idle N      how long the dormant schedules are watched; 60 if left out
  --on LIST     the databases; both if left out`

type Row = Record<string, unknown>

/** The database of one measurement, besides the server under measurement. */
interface Store {
  readonly name: string
  readonly env: Readonly<Record<string, string>>
  /** While no server runs. */
  query(sql: string): Promise<readonly Row[]>
  /** What the database has done so far, by its own count. */
  counts(): Promise<{ readonly cpuMs: number; readonly transactions: number; readonly statements: number } | undefined>
  stop(): Promise<void>
}

interface Plan {
  readonly count: number
  readonly perMinute: number
  readonly seconds: number
  readonly idleSeconds: number
}

const WARM_UP_MS = 10_000
const DAY_MS = 86_400_000

const openSqliteStore = (dataDir: string): Store => ({
  name: 'SQLite',
  env: {},
  async query(sql) {
    const db = new DatabaseSync(join(dataDir, 'aidos.db'))
    try {
      return db.prepare(sql).all()
    } finally {
      db.close()
    }
  },
  // It works within the server's own process.
  counts: async () => undefined,
  stop: async () => {},
})

/** CPU of a process and of all its children, also of those that have ended. */
const familyCpuMs = async (pid: number): Promise<number> => {
  let sum = 0
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const stat = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (Number(fields[1]) === pid) sum += await cpuMsOf(Number(name)).catch(() => 0)
    // Fields 16 and 17 of all are the times of children that were waited for; 100 ticks a second.
    else if (Number(name) === pid) sum += (await cpuMsOf(pid)) + (Number(fields[13]) + Number(fields[14])) * 10
  }
  return sum
}

const openPostgresStore = async (folder: string): Promise<Store> => {
  const logs = join(folder, 'logs')
  await mkdir(logs, { recursive: true })
  const postgres = await startPostgres({ folder, logs, replica: false, ports: makePorts(), leash: makeLeash() })
  const { primary, env } = postgres
  const hasStatements = await primary
    .query("ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'")
    .then(async () => {
      await primary.stop('fast')
      await primary.start()
      await primary.query('create extension pg_stat_statements')
      return true
    })
    .catch(() => false)
  return {
    name: 'PostgreSQL',
    env: { ...env, AIDOS_SECRET_KEY: randomBytes(32).toString('base64') },
    query: (sql) => primary.query(sql),
    async counts() {
      const [row] = await primary.query(
        "SELECT xact_commit + xact_rollback AS transactions FROM pg_stat_database WHERE datname = 'aidos'",
      )
      const sum = 'SELECT sum(calls) AS calls FROM pg_stat_statements'
      const statements = hasStatements ? Number((await primary.query(sum))[0]?.calls) : Number.NaN
      return { cpuMs: await familyCpuMs(primary.child.pid ?? 0), transactions: Number(row?.transactions), statements }
    },
    stop: () => postgres.stop(),
  }
}

/** As many copies of the one schedule that was made over the API, of which the first fires at `startMs` and each later one `everyMs / count` on. */
const multiply = async ({ query }: Store, { count, perMinute }: Plan): Promise<void> => {
  const everyMs = Math.round((count * 60_000) / perMinute)
  const columns =
    'tenant_id, project_id, status, target, input, options, fires, failures, revision, created_at, updated_at'
  const farMs = Date.now() + 30 * DAY_MS
  await query(
    `INSERT INTO schedules (id, name, timing, next_planned_at, next_at, ${columns})
     WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})
     SELECT 'bench-' || i, 'bench-' || i, '{"kind":"every","everyMs":${everyMs},"anchorMs":' || (${farMs} + i) || '}',
       ${farMs} + i, ${farMs} + i, ${columns} FROM n, schedules WHERE schedules.name = 'template'`,
  )
  await query("DELETE FROM schedules WHERE name = 'template'")
}

const awaken = async ({ query }: Store, { perMinute }: Plan, startMs: number): Promise<void> => {
  const apartMs = 60_000 / perMinute
  const at = `(${startMs} + CAST(CAST(substr(id, 7) AS INTEGER) * ${apartMs} AS INTEGER))`
  await query(
    `UPDATE schedules SET next_planned_at = ${at}, next_at = ${at},
       timing = substr(timing, 1, ${'{"kind":"every","everyMs":'.length}) || '86400000,"anchorMs":' || ${at} || '}'`,
  )
}

interface Watched {
  readonly seconds: number
  readonly cpu: string
  readonly database: string
}

const watch = async (server: Server, store: Store, ms: number): Promise<Watched> => {
  const cpuBefore = await cpuMsOf(server.pid)
  const before = await store.counts()
  const startMs = performance.now()
  await pause(ms)
  const seconds = (performance.now() - startMs) / 1000
  const after = await store.counts()
  const share = (cpuMs: number): string => `${(cpuMs / seconds / 10).toFixed(2)} % of a core`
  const per = (count: number): string => (Number.isNaN(count) ? 'not counted' : (count / seconds).toFixed(1))
  return {
    seconds,
    cpu: share((await cpuMsOf(server.pid)) - cpuBefore),
    database:
      before && after
        ? `CPU ${share(after.cpuMs - before.cpuMs)}, ${per(after.transactions - before.transactions)} transactions/s, ` +
          `${per(after.statements - before.statements)} statements/s`
        : 'in the process',
  }
}

const measure = async (store: Store, dataDir: string, plan: Plan, say: (line: string) => void): Promise<void> => {
  const start = async (): Promise<Server> => {
    const server = startServer({ port: await freePort(), dataDir, load: [CODE], env: { ...store.env } })
    await server.ready()
    return server
  }
  const load = (): string => `load average ${loadNow().toFixed(1)}`
  let server = await start()
  try {
    const headers = { authorization: `Bearer ${await server.key()}`, 'content-type': 'application/json' }
    const at = new Date(Date.now() + DAY_MS).toISOString()
    const body = JSON.stringify({ name: 'template', timing: { at }, target: { task: 'noop' } })
    const answer = await fetch(`${server.url}/v1/schedules`, { method: 'POST', headers, body })
    if (!answer.ok) throw new Error(`the schedule was refused: ${answer.status} ${await answer.text()}`)
    await server.kill('SIGTERM')
    await multiply(store, plan)

    server = await start()
    await pause(5000)
    const idle = await watch(server, store, plan.idleSeconds * 1000)
    say(
      `${store.name}, ${plan.count} dormant schedules, ${idle.seconds.toFixed(0)} s: CPU ${idle.cpu}; database: ${idle.database}; ${load()}`,
    )
    await server.kill('SIGTERM')

    const startMs = Date.now() + 15_000
    await awaken(store, plan, startMs)
    server = await start()
    await pause(Math.max(0, startMs + WARM_UP_MS - Date.now()))
    const fromMs = Date.now()
    const busy = await watch(server, store, plan.seconds * 1000)
    const untilMs = Date.now()
    const memory = await residentMb(server.pid)
    // Until what was due at the end has started.
    await pause(5000)
    await server.kill('SIGTERM')
    const rows = await store.query(
      `SELECT due_at, started_at FROM schedule_fires WHERE planned_at >= ${fromMs} AND planned_at < ${untilMs}`,
    )
    const lateness = rows.flatMap((row) =>
      row.started_at === null ? [] : [Number(row.started_at) - Number(row.due_at)],
    )
    const due = Math.round(((untilMs - fromMs) / 60_000) * plan.perMinute)
    const figure = (share: number): string => `${percentile(lateness, share)} ms`
    say(
      `${store.name}, ${plan.perMinute} fires a minute of ${plan.count} schedules, ${busy.seconds.toFixed(0)} s: ${lateness.length} of ${due} started; ` +
        `lateness p50 ${figure(0.5)}, p99 ${figure(0.99)}, most ${figure(1)}; CPU ${busy.cpu}, ${memory.toFixed(0)} MB; database: ${busy.database}; ${load()}`,
    )
  } finally {
    await server.kill('SIGTERM')
  }
}

/** Prints a line for each database and load. */
export const runSchedulesBench = async (args: readonly string[]): Promise<void> => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      count: { type: 'string', default: '100000' },
      rate: { type: 'string', default: '2000' },
      seconds: { type: 'string', default: '120' },
      idle: { type: 'string', default: '60' },
      on: { type: 'string', default: 'sqlite,postgres' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  const say = (line: string): void => void process.stdout.write(`${line}\n`)
  if (values.help) return say(HELP)
  const plan: Plan = {
    ...{ count: Number(values.count), perMinute: Number(values.rate) },
    ...{ seconds: Number(values.seconds), idleSeconds: Number(values.idle) },
  }
  if (!Object.values(plan).every((value) => Number.isInteger(value) && value > 0)) throw new Error(HELP)
  const folder = await mkdtemp(join(await realpath(tmpdir()), 'aidos-bench-schedules-'))
  // PostgreSQL may run as another user, who has to get through to its own folder.
  await chmod(folder, 0o711)
  try {
    for (const name of values.on.split(',')) {
      const dataDir = join(folder, name)
      await mkdir(dataDir)
      const store = name === 'sqlite' ? openSqliteStore(dataDir) : await openPostgresStore(folder)
      try {
        await measure(store, dataDir, plan, say)
      } finally {
        await store.stop()
      }
    }
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  }
}
