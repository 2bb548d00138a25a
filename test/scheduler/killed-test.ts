/** Runs several schedulers as real processes, kills one after the other, and gathers what the schedules have started meanwhile. */
import { readFile, writeFile } from 'node:fs/promises'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type Cluster, startCluster } from '../../cluster/cluster.ts'
import type { PostgresServer } from '../../cluster/postgres-server.ts'
import type { Service } from '../../cluster/service.ts'
import type { Check } from '../kill/checks.ts'
import { type Load, makeLoads } from './loads.ts'
import { type FireRow, judge, showLateness } from './verdict.ts'

export interface KilledOptions {
  readonly seconds: number
  readonly schedulers: number
  /** Between two kills; undefined: none is killed. */
  readonly killEveryMs: number | undefined
  /** So many ready ones are not killed. */
  readonly spared: number
  /** Schedules of each kind. */
  readonly count: number
  /** An empty folder. */
  readonly folder: string
  readonly say: (line: string) => void
}

export interface KilledResult {
  readonly checks: readonly Check[]
  readonly summary: readonly string[]
  readonly kills: number
}

const CODE = fileURLToPath(new URL('code', import.meta.url))
/** Until the first fire, so that all schedules are made by then. */
const AHEAD_MS = 4000
const END_WITHIN_MS = 180_000
const LOOK_EVERY_MS = 500

const post = async ({ url, key }: Cluster, path: string, body: unknown): Promise<void> => {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
  const answer = await fetch(`${url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
  if (!answer.ok) throw new Error(`POST ${path} answered ${answer.status}: ${await answer.text()}`)
}

/**
 * Time and again kills the scheduler that has been ready longest, sparing the last few. Resolves at `untilMs`. A start takes seconds, and
 * longer where other work shares the machine: with none spared it is starts that are measured.
 */
const killInTurn = async (
  schedulers: readonly Service[],
  { everyMs, spared, untilMs }: { everyMs: number; spared: number; untilMs: number },
) => {
  let kills = 0
  let looks = 0
  let ready = 0
  const bornMs = ({ child }: Service): number => child.lives.at(-1)?.fromMs ?? 0
  for (let nextMs = Date.now() + everyMs; nextMs < untilMs; nextMs += everyMs) {
    // Anywhere in its period: otherwise all kills would meet the same moment of a second.
    await pause(Math.max(0, nextMs - Math.random() * everyMs - Date.now()))
    const states = await Promise.all(schedulers.map((each) => each.isReady()))
    const able = schedulers.filter((_, i) => states[i])
    looks++
    ready += able.length
    if (spared > 0 && able.length <= spared) continue
    const candidates = spared > 0 ? able : schedulers.filter(({ child }) => child.isRunning)
    const victim = candidates.toSorted((a, b) => bornMs(a) - bornMs(b))[0]
    if (!victim) continue
    victim.child.signal('SIGKILL')
    kills++
  }
  await pause(Math.max(0, untilMs - Date.now()))
  return { kills, meanReady: looks === 0 ? schedulers.length : ready / looks }
}

const openWork = async ({ query }: PostgresServer): Promise<string> => {
  const [row] = await query(
    `SELECT (SELECT count(*) FROM schedules WHERE status <> 'ended') AS schedules,
       (SELECT count(*) FROM schedule_fires WHERE finished_at IS NULL) AS fires`,
  )
  return `${row?.schedules} schedules and ${row?.fires} fires are open`
}

const DONE = '0 schedules and 0 fires are open'

const untilOver = async (server: PostgresServer): Promise<string> => {
  let open = ''
  for (const endMs = Date.now() + END_WITHIN_MS; Date.now() < endMs; await pause(LOOK_EVERY_MS)) {
    open = await openWork(server)
    if (open === DONE) break
  }
  return open
}

const readFires = async ({ query }: PostgresServer): Promise<FireRow[]> => {
  const rows = await query(
    `SELECT s.name, f.planned_at, f.due_at, f.status, COALESCE(r.created_at, t.created_at) AS born_at
     FROM schedule_fires f JOIN schedules s ON s.id = f.schedule_id
     LEFT JOIN runs r ON r.id = f.run_id LEFT JOIN tasks t ON t.id = f.task_id`,
  )
  return rows.map(({ name, planned_at, due_at, status, born_at }) => ({
    ...{ schedule: String(name), plannedAtMs: Number(planned_at), dueAtMs: Number(due_at), status: String(status) },
    bornAtMs: born_at === null ? undefined : Number(born_at),
  }))
}

const readKeys = async ({ query }: PostgresServer): Promise<(string | null)[]> => {
  const rows = await query(
    'SELECT idempotency_key FROM runs UNION ALL SELECT idempotency_key FROM tasks WHERE run_id IS NULL',
  )
  return rows.map((row) => row.idempotency_key as string | null)
}

export const runKilledTest = async (options: KilledOptions): Promise<KilledResult> => {
  const { seconds, schedulers: count, killEveryMs, spared, folder, say } = options
  const file = join(folder, 'lines.txt')
  await writeFile(file, '')
  const others = { agents: 0, skills: 0, notifications: 0, gateway: 1, workflows: 1, executor: 1 }
  const cluster = await startCluster({
    ...{ folder, redis: 'single', nginx: false, replica: false, load: [CODE] },
    rolesPerService: { ...others, scheduler: count },
    env: {
      ...{ RATE_LIMIT_KEY_PER_MINUTE: '0', RATE_LIMIT_TENANT_PER_MINUTE: '0', DB_POOL_MAX: '10' },
      // Starts are most of what the machine does here; they need not read all the code anew.
      NODE_COMPILE_CACHE: join(folder, 'compiled'),
    },
    say: (line) => say(`starting ${line}`),
  })
  try {
    const startMs = Math.ceil((Date.now() + AHEAD_MS) / 2000) * 2000
    const endMs = startMs + seconds * 1000
    const loads: Load[] = makeLoads({ startMs, endMs, file, count: options.count })
    for (const { body } of loads) await post(cluster, '/v1/schedules', body)
    const madeMs = Date.now()
    if (madeMs >= startMs)
      throw new Error(`the schedules were made ${madeMs - startMs} ms too late; the machine is too busy`)
    await pause(startMs - madeMs)
    const schedulers = cluster.services.filter(({ role }) => role === 'scheduler')
    say(`${loads.length} schedules over ${count} schedulers for ${seconds} s`)
    const { kills, meanReady } = await killInTurn(schedulers, {
      everyMs: killEveryMs ?? Number.POSITIVE_INFINITY,
      spared,
      untilMs: endMs,
    })
    say(`${kills} kills; waiting for the end`)
    const open = await untilOver(cluster.postgres.primary)
    const fires = await readFires(cluster.postgres.primary)
    const keys = await readKeys(cluster.postgres.primary)
    const lines = (await readFile(file, 'utf8')).split('\n').filter((line) => line !== '')
    const checks = judge({ loads, fires, keys, lines })
    const summary = [
      `${fires.length} fires in ${seconds} s; ${kills} kills; ${meanReady.toFixed(1)} of ${count} schedulers were ready on average`,
      showLateness(fires),
      `load average ${loadavg()
        .map((load) => load.toFixed(1))
        .join(' ')}`,
      ...(open === DONE ? [] : [`time is up: ${open}`]),
    ]
    return { checks, summary, kills }
  } finally {
    await cluster.stop()
  }
}
