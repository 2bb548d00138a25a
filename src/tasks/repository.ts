/** Reads of tasks and dead letters. */
import { compileOnce, VALUE } from '../platform/db/compiled.ts'
import { countRows, countRowsAmong, countRowsBy } from '../platform/db/count.ts'
import type { Handle } from '../platform/db/database.ts'
import { olderThan } from '../platform/db/keyset.ts'
import { readBacklogRows } from '../platform/queue/backlog-rows.ts'
import type { Partition } from '../platform/queue/queue.ts'
import { type Owner, ownedBy, visibleTo } from '../platform/scope.ts'
import { type TaskTables, toDeadLetter, toTask } from './rows.ts'
import { type DeadLetter, type DeadLetterStatus, OPEN_TASK_STATUSES, type Task, type TaskStatus } from './types.ts'

export interface TaskFilter {
  readonly status?: TaskStatus | undefined
  readonly kind?: string | undefined
  readonly runId?: string | undefined
  readonly priority?: number | undefined
  readonly after?: { readonly createdAtMs: number; readonly id: string } | undefined
  readonly limit: number
}

export interface DeadLetterFilter {
  readonly status?: DeadLetterStatus | undefined
  readonly kind?: string | undefined
  readonly reason?: string | undefined
  readonly after?: { readonly id: string } | undefined
  /** Not those that the owner sees and must not change. */
  readonly isOwned?: boolean | undefined
  /** Made at that moment or before. */
  readonly untilMs?: number | undefined
  readonly limit: number
}

export const makeTaskRepository = (handle: Handle) => {
  const db = handle.withTables<TaskTables>()
  const tasks = () => db.selectFrom('tasks').selectAll()
  /** The tasks of a status that have their moment in a column: those whose has come, and when the next comes. */
  const timed = (status: TaskStatus, column: 'run_at' | 'deadline_at') => {
    const sorted = () => db.selectFrom('tasks').where('status', '=', status).orderBy(column)
    return {
      async due(nowMs: number, limit: number): Promise<Task[]> {
        return (await sorted().selectAll().where(column, '<=', nowMs).limit(limit).execute()).map(toTask)
      },
      async nextAt(afterMs: number): Promise<number | undefined> {
        const row = await sorted().select(`${column} as at`).where(column, '>', afterMs).limit(1).executeTakeFirst()
        return row?.at ?? undefined
      },
    }
  }
  const readById = compileOnce(handle, () => tasks().where('id', '=', VALUE))
  const readByKey = compileOnce(handle, () =>
    tasks().where('tenant_id', '=', VALUE).where('idempotency_key', '=', VALUE),
  )
  const scheduled = timed('scheduled', 'run_at')
  const unanswered = timed('waiting', 'deadline_at')
  return {
    /** For the executor, which has the id from a job. */
    async byId(id: string): Promise<Task | undefined> {
      const [row] = await readById(id)
      return row && toTask(row)
    },

    async find(owner: Owner, id: string): Promise<Task | undefined> {
      const row = await tasks().where(visibleTo(owner)).where('id', '=', id).executeTakeFirst()
      return row && toTask(row)
    },

    async findByIdempotencyKey(tenantId: string, key: string): Promise<Task | undefined> {
      const [row] = await readByKey(tenantId, key)
      return row && toTask(row)
    },

    async byIds(ids: readonly string[]): Promise<Task[]> {
      return ids.length === 0 ? [] : (await tasks().where('id', 'in', ids).execute()).map(toTask)
    },

    async ofRun(runId: string): Promise<Task[]> {
      return (await tasks().where('run_id', '=', runId).execute()).map(toTask)
    },

    /** Newest first. */
    async list(owner: Owner, filter: TaskFilter): Promise<Task[]> {
      let query = tasks().where(visibleTo(owner))
      if (filter.status) query = query.where('status', '=', filter.status)
      if (filter.kind) query = query.where('kind', '=', filter.kind)
      if (filter.runId) query = query.where('run_id', '=', filter.runId)
      if (filter.priority) query = query.where('priority', '=', filter.priority)
      if (filter.after) query = query.where(olderThan(filter.after))
      const rows = await query.orderBy('created_at', 'desc').orderBy('id', 'desc').limit(filter.limit).execute()
      return rows.map(toTask)
    },

    /** The backlog of a partition. */
    backlog: (partition: Partition) =>
      readBacklogRows(handle, {
        ...{ table: 'tasks', where: { column: 'partition_name', value: partition }, partition },
        ...{ since: 'run_at', limitKey: 'limit_key' },
      }),

    due: scheduled.due,
    nextRunAt: scheduled.nextAt,

    /** Tasks that have waited too long for their answer. */
    overdue: unanswered.due,
    nextWaitDeadline: unanswered.nextAt,

    /** The head of an activity's backlog: what no worker has taken yet. */
    async nextActivity(owner: Owner, kind: string): Promise<Task | undefined> {
      const row = await tasks()
        .where('status', '=', 'waiting')
        .where(ownedBy(owner))
        .where('kind', '=', kind)
        .where('started_at', 'is', null)
        .orderBy('priority')
        .orderBy('id')
        .limit(1)
        .executeTakeFirst()
      return row && toTask(row)
    },

    async heldBy(workerIds: readonly string[]): Promise<Task[]> {
      if (workerIds.length === 0) return []
      const rows = await tasks().where('worker_id', 'in', workerIds).where('status', '=', 'running').execute()
      return rows.map(toTask)
    },

    /** Newest first. */
    async deadLetters(owner: Owner, filter: DeadLetterFilter): Promise<DeadLetter[]> {
      let query = db
        .selectFrom('dead_letters')
        .selectAll()
        .where(filter.isOwned ? ownedBy(owner) : visibleTo(owner))
      if (filter.status) query = query.where('status', '=', filter.status)
      if (filter.kind) query = query.where('kind', '=', filter.kind)
      if (filter.reason) query = query.where('reason', '=', filter.reason)
      if (filter.untilMs !== undefined) query = query.where('created_at', '<=', filter.untilMs)
      if (filter.after) query = query.where('id', '<', filter.after.id)
      return (await query.orderBy('id', 'desc').limit(filter.limit).execute()).map(toDeadLetter)
    },

    async deadLetter(owner: Owner, id: string): Promise<DeadLetter | undefined> {
      const query = db.selectFrom('dead_letters').selectAll().where(visibleTo(owner)).where('id', '=', id)
      const row = await query.executeTakeFirst()
      return row && toDeadLetter(row)
    },

    /** The letter of a dead task. */
    async deadLetterOf(taskId: string): Promise<DeadLetter | undefined> {
      const query = db.selectFrom('dead_letters').selectAll().where('task_id', '=', taskId).where('status', '=', 'dead')
      const row = await query.executeTakeFirst()
      return row && toDeadLetter(row)
    },

    /** Of all tenants. */
    async newestDeadIds(limit: number): Promise<string[]> {
      const query = db.selectFrom('dead_letters').select('id').where('status', '=', 'dead')
      return (await query.orderBy('id', 'desc').limit(limit).execute()).map(({ id }) => id)
    },

    /** Of all tenants. */
    async newestDead(limit: number): Promise<DeadLetter[]> {
      const query = db.selectFrom('dead_letters').selectAll().where('status', '=', 'dead')
      return (await query.orderBy('id', 'desc').limit(limit).execute()).map(toDeadLetter)
    },

    countDeadByReason: (): Promise<Record<string, number>> =>
      countRowsBy(db.selectFrom('dead_letters').where('status', '=', 'dead'), 'reason'),

    /** What waits for an executor, and what is dead: of one tenant, or of all. */
    async waiting(partition: Partition, owner?: Owner): Promise<{ queued: number; dead: number }> {
      let queued = db.selectFrom('tasks').where('status', '=', 'queued').where('partition_name', '=', partition)
      let dead = db.selectFrom('dead_letters').where('status', '=', 'dead')
      dead = dead.where('kind', partition === 'notifications' ? 'like' : 'not like', 'notification:%')
      if (owner !== undefined) {
        queued = queued.where(visibleTo(owner))
        dead = dead.where(visibleTo(owner))
      }
      const [queuedCount, deadCount] = await Promise.all([countRows(queued), countRows(dead)])
      return { queued: queuedCount, dead: deadCount }
    },

    /** Those that are not over: the others grow without end. */
    countOpen: (): Promise<Record<string, number>> =>
      countRowsAmong(db.selectFrom('tasks'), 'status', OPEN_TASK_STATUSES),
  }
}

export type TaskRepository = ReturnType<typeof makeTaskRepository>
