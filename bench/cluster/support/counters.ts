/** What a load costs: CPU by process, statements of PostgreSQL, commands of Redis; as differences between two looks. */
import { readdir, readFile } from 'node:fs/promises'
import type pg from 'pg'
import type { Cluster } from '../../../cluster/cluster.ts'
import { cpuMsOf } from '../../support/proc.ts'

export interface Statement {
  readonly text: string
  readonly calls: number
  /** In the server, without the way there. */
  readonly ms: number
}

export interface Cost {
  readonly seconds: number
  /** By process; those of all PostgreSQL backends, and of all Redis nodes, as one. */
  readonly cpuMs: ReadonlyMap<string, number>
  /** Transactions that wrote or locked something. */
  readonly writes: number
  /** All that AIDOS said to PostgreSQL, BEGIN and COMMIT too. */
  readonly statements: readonly Statement[]
  /** By name, those that scripts call inside Redis too; without the benchmark's own. */
  readonly redis: ReadonlyMap<string, number>
}

interface Look {
  readonly atMs: number
  readonly cpu: ReadonlyMap<string, number>
  readonly xid: number
  readonly statements: ReadonlyMap<string, Statement>
  readonly redis: ReadonlyMap<string, number>
}

const TICKS_PER_SECOND = 100

/** The fields of `/proc/PID/stat` behind the name, which may hold spaces; empty for a process that is gone. */
const statOf = async (pid: number | string): Promise<string[]> => {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  return text.slice(text.lastIndexOf(')') + 2).split(' ')
}

const ticks = (stat: readonly string[], fields: readonly number[]): number =>
  fields.reduce((sum, field) => sum + Number(stat[field] ?? 0), 0)

/** CPU of a process and of its children, those included that have ended: connections come and go. */
const cpuOfFamily = async (pid: number): Promise<number> => {
  let sum = ticks(await statOf(pid), [11, 12, 13, 14])
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    const stat = await statOf(entry)
    if (Number(stat[1]) === pid) sum += ticks(stat, [11, 12])
  }
  return (sum * 1000) / TICKS_PER_SECOND
}

const STATEMENTS = `SELECT queryid::text AS id, min(query) AS text, sum(calls)::float8 AS calls, sum(total_exec_time) AS ms
  FROM pg_stat_statements WHERE userid = (SELECT oid FROM pg_roles WHERE rolname = 'aidos') GROUP BY queryid`
/** Numbers are given to transactions when they first write or lock; asking for the next one takes none. */
const NEXT_XID = 'SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS xid'
/** What this file itself asks of Redis. */
const OWN_COMMANDS = ['info', 'client|setinfo', 'hello', 'auth', 'select']

const readStatements = async (watcher: pg.Client): Promise<Map<string, Statement>> => {
  const { rows } = await watcher.query<{ id: string; text: string; calls: number; ms: number }>(STATEMENTS)
  return new Map(rows.map(({ id, text, calls, ms }) => [id, { text: text.replaceAll(/\s+/g, ' '), calls, ms }]))
}

/** Of the nodes that take writes: what a replica repeats is not counted twice. */
const readRedis = async ({ redis }: Cluster): Promise<{ commands: Map<string, number>; cpuMs: number }> => {
  const commands = new Map<string, number>()
  let cpuMs = 0
  for (const node of await redis.masters()) {
    for (const [, name = '', calls] of String(await node.command('info', 'commandstats')).matchAll(
      /^cmdstat_(\S+?):calls=(\d+)/gm,
    )) {
      if (!OWN_COMMANDS.includes(name)) commands.set(name, (commands.get(name) ?? 0) + Number(calls))
    }
    for (const [, seconds] of String(await node.command('info', 'cpu')).matchAll(/^used_cpu_(?:user|sys):(\S+)/gm))
      cpuMs += Number(seconds) * 1000
  }
  return { commands, cpuMs }
}

const lookAt = async (cluster: Cluster, watcher: pg.Client): Promise<Look> => {
  const cpu = new Map<string, number>()
  for (const { name, child } of cluster.services) if (child.pid !== undefined) cpu.set(name, await cpuMsOf(child.pid))
  const postgres = cluster.postgres.primary.child.pid
  if (postgres !== undefined) cpu.set('postgres', await cpuOfFamily(postgres))
  const { commands, cpuMs } = await readRedis(cluster)
  cpu.set('redis', cpuMs)
  const own = process.cpuUsage()
  cpu.set('benchmark', (own.user + own.system) / 1000)
  const { rows } = await watcher.query<{ xid: string }>(NEXT_XID)
  const statements = await readStatements(watcher)
  return { atMs: performance.now(), cpu, xid: Number(rows[0]?.xid), statements, redis: commands }
}

const difference = (after: ReadonlyMap<string, number>, before: ReadonlyMap<string, number>): Map<string, number> =>
  new Map([...after].map(([name, value]) => [name, value - (before.get(name) ?? 0)]))

/** Does the work and says what it cost. */
export const makeObserve =
  (cluster: Cluster, watcher: pg.Client) =>
  async <T>(work: () => Promise<T>): Promise<{ readonly value: T; readonly cost: Cost }> => {
    const before = await lookAt(cluster, watcher)
    const startMs = performance.now()
    const value = await work()
    const seconds = (performance.now() - startMs) / 1000
    const after = await lookAt(cluster, watcher)
    const statements = [...after.statements].map(([id, { text, calls, ms }]) => {
      const old = before.statements.get(id)
      return { text, calls: calls - (old?.calls ?? 0), ms: ms - (old?.ms ?? 0) }
    })
    return {
      value,
      cost: {
        seconds,
        cpuMs: difference(after.cpu, before.cpu),
        writes: after.xid - before.xid,
        statements: statements.filter(({ calls }) => calls > 0),
        redis: difference(after.redis, before.redis),
      },
    }
  }

export const sumOf = (values: Iterable<number>): number => [...values].reduce((sum, value) => sum + value, 0)
