/** What stands in the database and in Redis when all is over. */
import { Redis as RedisClient, Cluster as RedisClusterClient } from 'ioredis'
import type { PostgresServer } from '../../cluster/postgres-server.ts'
import type { Redis } from '../../cluster/redis.ts'

export interface RunRow {
  readonly id: string
  readonly kind: string
  readonly target: string
  readonly status: string
  readonly fence: number
  readonly output: string | null
  readonly error: string | null
  readonly finishedAtMs: number | null
  /** For people who look at one that did not end: what it waits for, what has been left for it, and when it was to be woken. */
  readonly waitingFor?: string | null
  readonly news?: number
  readonly wakeAtMs?: number | null
}

export interface TaskRow {
  readonly id: string
  readonly runId: string | null
  readonly kind: string
  readonly status: string
  readonly attempt: number
  readonly lost: number
  readonly output: string | null
  readonly error: string | null
  readonly createdAtMs: number
  readonly finishedAtMs: number | null
}

export interface JournalRow {
  readonly runId: string
  readonly position: number
  readonly key: string
  readonly kind: string
  readonly outcome: string
  readonly value: string | null
  readonly atMs: number
}

export interface EventRow {
  readonly id: number
  readonly runId: string | null
  readonly taskId: string | null
  readonly type: string
  readonly atMs: number
}

export interface DeadRow {
  readonly taskId: string
  readonly reason: string
  readonly attempts: number
}

export interface Remains {
  readonly runs: readonly RunRow[]
  readonly tasks: readonly TaskRow[]
  readonly journal: readonly JournalRow[]
  readonly events: readonly EventRow[]
  readonly dead: readonly DeadRow[]
}

/** Bigints come as texts. */
const numbered = <T>(rows: readonly Record<string, unknown>[], names: readonly string[]): T[] =>
  rows.map((row) => {
    const numbers = names.map((name) => [name, row[name] === null ? null : Number(row[name])])
    return { ...row, ...Object.fromEntries(numbers) } as T
  })

export const readRemains = async ({ query }: PostgresServer): Promise<Remains> => ({
  runs: numbered(
    await query(
      'SELECT id, kind, target, status, fence, output, error, finished_at "finishedAtMs", waiting_for "waitingFor", news, wake_at "wakeAtMs" FROM runs',
    ),
    ['fence', 'finishedAtMs', 'news', 'wakeAtMs'],
  ),
  tasks: numbered(
    await query(
      'SELECT id, run_id "runId", kind, status, attempt, lost, output, error, created_at "createdAtMs", finished_at "finishedAtMs" FROM tasks',
    ),
    ['attempt', 'lost', 'createdAtMs', 'finishedAtMs'],
  ),
  journal: numbered(
    await query(
      'SELECT run_id "runId", position, key, kind, outcome, COALESCE(value, ref) AS value, at "atMs" FROM journal ORDER BY 1, 2',
    ),
    ['position', 'atMs'],
  ),
  events: numbered(
    await query('SELECT id, run_id "runId", task_id "taskId", type, at "atMs" FROM events ORDER BY id'),
    ['id', 'atMs'],
  ),
  dead: numbered(await query('SELECT task_id "taskId", reason, attempts FROM dead_letters'), ['attempts']),
})

/** How much is not over, by table and status. */
export const readUnfinished = async ({ query }: PostgresServer): Promise<readonly string[]> => {
  const rows = await query(
    `SELECT 'runs' AS what, status, count(*) FROM runs WHERE finished_at IS NULL GROUP BY 2
     UNION ALL SELECT 'tasks', status, count(*) FROM tasks WHERE finished_at IS NULL GROUP BY 2`,
  )
  return rows.map(({ what, status, count }) => `${what}: ${count} ${status}`)
}

/** The lists of jobs that wait or are under way, in BullMQ's words; the lists of those that ended are kept on purpose. */
const OPEN_LIST = /\}:[^:]*:?(wait|active|prioritized|delayed|paused|waiting-children)$/

/** Jobs in Redis that nobody took: the key of each list and how many. Dead letters stand in a list of their own, and stay. */
export const readQueues = async ({ kind, nodes, masters }: Redis): Promise<string[]> => {
  const where = { host: '127.0.0.1', port: (await masters())[0]?.port ?? 0 }
  const client = kind === 'cluster' ? new RedisClusterClient([where], { lazyConnect: true }) : new RedisClient(where)
  client.on('error', () => {})
  const left: string[] = []
  try {
    for (const node of await masters()) {
      const keys = await keysOf(node)
      for (const key of keys) {
        if (!OPEN_LIST.test(key) || key.includes('dlq')) continue
        const type = await client.type(key)
        const count = type === 'list' ? await client.llen(key) : type === 'zset' ? await client.zcard(key) : 1
        // BullMQ keeps a marker of its own in some of them.
        if (count > 0 && !(count === 1 && type === 'list' && (await client.lindex(key, 0))?.startsWith('0:')))
          left.push(`${key}: ${count}`)
      }
    }
  } finally {
    client.disconnect()
  }
  return nodes.length === 0 ? [] : left
}

const keysOf = async (node: Redis['nodes'][number]): Promise<string[]> => {
  const keys: string[] = []
  let cursor = '0'
  do {
    const [next, found] = (await node.command('scan', cursor, 'match', 'aidos*', 'count', 1000)) as [string, string[]]
    keys.push(...found)
    cursor = next
  } while (cursor !== '0')
  return keys
}
