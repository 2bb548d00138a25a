/**
 * The floors in a process of their own: bare BullMQ on the cluster's Redis, and bare inserts and updates on its PostgreSQL, in a table
 * with the columns and indexes of `tasks`.
 */
import { type Job, Queue, Worker } from 'bullmq'
import { Cluster, Redis } from 'ioredis'
import pg from 'pg'
import { makeIdGenerator } from '../../../src/platform/ids.ts'
import { inFlight } from '../../support/in-flight.ts'
import { serve } from '../../support/serve.ts'

export interface FloorSettings {
  readonly postgres: { readonly host: string; readonly port: number; readonly user: string; readonly password: string }
  readonly redis: { readonly isCluster: boolean; readonly nodes: readonly { host: string; port: number }[] }
  /** Connections to PostgreSQL, and jobs at a time. */
  readonly width: number
}

export interface RowsInput {
  readonly count: number
  /** Rows of one transaction. */
  readonly group: number
  readonly width: number
}

/** When the first began and the last ended, by the machine's clock. */
export interface Span {
  readonly count: number
  readonly fromMs: number
  readonly toMs: number
}

export interface TripsInput {
  readonly count: number
  /** With a job in between: added after the first commit, and the second begins when a worker has it. */
  readonly withJob: boolean
}

export interface Trip {
  /** From the first commit's begin until a worker has the job; without a job until the first commit. */
  readonly startMs: number
  readonly totalMs: number
}

const TABLE = 'bench_floor'
const { postgres, redis, width } = JSON.parse(process.argv[2] as string) as FloorSettings
const nextId = makeIdGenerator()
const pool = new pg.Pool({ ...postgres, database: 'aidos', min: 1, max: width })
await pool.query(`CREATE TABLE IF NOT EXISTS ${TABLE} (LIKE tasks INCLUDING ALL)`).catch((error: { code?: string }) => {
  // Another floor made it at the same moment.
  if (error.code !== '23505' && error.code !== '42P07') throw error
})

const INSERT = `INSERT INTO ${TABLE} (id, tenant_id, kind, partition_name, status, priority, input, attempt, lost, options, fence, run_at, created_at)
  SELECT id, 'tenant', 'noop', 'tasks', 'running', 3, 'null', 1, 0, '{}', 0, $2, $2 FROM unnest($1::text[]) AS g(id)`
const UPDATE = `UPDATE ${TABLE} SET status = 'completed', output = 'null', finished_at = $2 WHERE id = ANY($1::text[])`
const insert = (ids: readonly string[]): Promise<unknown> =>
  pool.query({ name: 'insert', text: INSERT, values: [ids, Date.now()] })
const update = (ids: readonly string[]): Promise<unknown> =>
  pool.query({ name: 'update', text: UPDATE, values: [ids, Date.now()] })

/** Rows a second, each inserted by one transaction and updated by the next. */
const rows = async ({ count, group, width: lanes }: RowsInput): Promise<number> => {
  const startMs = performance.now()
  await inFlight(Math.ceil(count / group), lanes, async () => {
    const ids = Array.from({ length: group }, nextId)
    await insert(ids)
    await update(ids)
  })
  return (Math.ceil(count / group) * group * 1000) / (performance.now() - startMs)
}

const connect = (): Redis | Cluster =>
  redis.isCluster
    ? new Cluster([...redis.nodes], { redisOptions: { maxRetriesPerRequest: null } })
    : new Redis({ ...redis.nodes[0]!, maxRetriesPerRequest: null })
const connection = connect()
const prefix = 'bench'
/** As AIDOS keeps ended jobs. */
const retention = { removeOnComplete: { count: 1000 } }
const queueOf = (name: string): Queue => new Queue(`{${name}}`, { connection, prefix })

/** Adds a second. */
const fill = async ({ queue: name, count }: { queue: string; count: number }): Promise<number> => {
  const queue = queueOf(name)
  await queue.waitUntilReady()
  const startMs = performance.now()
  await inFlight(count, width, () => queue.add('job', { id: 1 }, { priority: 3 }))
  const rate = (count * 1000) / (performance.now() - startMs)
  await queue.close()
  return rate
}

/** Works until the queue is empty. */
const drain = async ({ queue: name }: { queue: string }): Promise<Span> => {
  let fromMs = 0
  let toMs = 0
  let count = 0
  const noop = async (): Promise<void> => {
    fromMs ||= Date.now()
    count++
  }
  const blocking = connect()
  const worker = new Worker(`{${name}}`, noop, { connection: blocking, prefix, concurrency: width, ...retention })
  worker.on('completed', () => {
    toMs = Date.now()
  })
  worker.on('error', () => {})
  await new Promise<void>((resolve) => worker.once('drained', () => resolve()))
  await worker.close()
  blocking.disconnect()
  return { count, fromMs, toMs }
}

/** One after the other. */
const trips = async ({ count, withJob }: TripsInput): Promise<Trip[]> => {
  const waiting = new Map<string, () => void>()
  const queue = queueOf('trips')
  const blocking = connect()
  const take = async (job: Job<{ id: string }>): Promise<void> => waiting.get(job.data.id)?.()
  const worker = new Worker('{trips}', take, { connection: blocking, prefix, concurrency: width, ...retention })
  worker.on('error', () => {})
  await Promise.all([queue.waitUntilReady(), worker.waitUntilReady()])
  const done: Trip[] = []
  for (let i = 0; i < count; i++) {
    const id = nextId()
    const fromMs = performance.now()
    await insert([id])
    if (withJob) {
      const taken = new Promise<void>((resolve) => waiting.set(id, resolve))
      await queue.add('job', { id }, { priority: 3 })
      await taken
      waiting.delete(id)
    }
    const startMs = performance.now() - fromMs
    await update([id])
    done.push({ startMs, totalMs: performance.now() - fromMs })
  }
  await Promise.all([worker.close(), queue.close()])
  blocking.disconnect()
  return done
}

serve({ rows, fill, drain, trips }, () => pool.end())
