/** A process that makes tasks, does them, or both; and tells how long each waited for its start. */
import { setTimeout as pause } from 'node:timers/promises'
import { sql } from 'kysely'
import type { Priority } from '../../src/platform/queue/queue.ts'
import { inFlight } from '../support/in-flight.ts'
import { serve } from '../support/serve.ts'
import { type Place, startTaskNode } from '../support/task-node.ts'

export interface MakeInput {
  readonly tenantId: string
  readonly label: string
  readonly priority: Priority
  readonly count: number
  /** How long each takes, doing nothing. */
  readonly workMs: number
  /** One each so many milliseconds; absent: as fast as they are taken. */
  readonly everyMs?: number
}

/** For each label, the milliseconds from the call that made a task to the beginning of its attempt, in the order of their starts. */
export type Starts = Readonly<Record<string, readonly number[]>>

interface Input {
  readonly label: string
  readonly workMs: number
  readonly atMs: number
}

/** The same for all processes of a machine, finer than a millisecond. */
const now = (): number => performance.timeOrigin + performance.now()

let starts: Record<string, number[]> = {}
const node = await startTaskNode(JSON.parse(process.argv[2] as string) as Place, {
  async work(given) {
    const { label, workMs, atMs } = given as unknown as Input
    const waits = starts[label] ?? []
    starts[label] = waits
    waits.push(now() - atMs)
    if (workMs > 0) await pause(workMs)
    return null
  },
})

const make = async ({ tenantId, label, priority, count, workMs, everyMs }: MakeInput): Promise<number> => {
  const beganMs = performance.now()
  const one = (): Promise<unknown> => {
    const input = { label, workMs, atMs: now() }
    return node.tasks.create({ tenantId, projectId: null, kind: 'work', input, priority })
  }
  if (everyMs === undefined) await inFlight(count, 200, one)
  else {
    const open: Promise<unknown>[] = []
    for (let i = 0; i < count; i++) {
      await pause(Math.max(0, beganMs + i * everyMs - performance.now()))
      open.push(one())
    }
    await Promise.all(open)
  }
  return (performance.now() - beganMs) / 1000
}

serve(
  {
    make,
    execute: () => node.tasks.startExecutor(),
    sweep: () => node.sweep(),
    /** Since the last time. */
    starts(): Starts {
      const told = starts
      starts = {}
      return told
    },
    queued: async () => (await node.tasks.tasks.waiting('tasks')).queued,
    /** As if they had been accepted: rows of the backlog, without a wake-up. PostgreSQL only. */
    async fill({ count, tenants }: { count: number; tenants: number }) {
      await node.db.transaction(async (tx) => {
        await tx.executeQuery(
          sql`INSERT INTO tasks (id, tenant_id, kind, partition_name, status, priority, input, attempt, lost, options, fence, run_at, created_at)
              SELECT lpad(to_hex(i), 12, '0') || '-fill', 'tenant-' || (i % ${tenants}), 'work', 'tasks', 'queued', 3,
                '{"label":"fill","workMs":0,"atMs":0}', 0, 0, '{"retry":{"attempts":1}}', 0, 0, 0
              FROM generate_series(1, ${sql.lit(count)}) AS i`.compile(tx),
        )
      })
    },
  },
  () => node.stop(),
)
