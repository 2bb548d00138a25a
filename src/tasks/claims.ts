/**
 * Taking queued tasks for this process. What was made here a moment ago is known and claimed without being read; on PostgreSQL, where
 * many processes take, one statement claims all that came from the queue in the same moment.
 */
import { LRUCache } from 'lru-cache'
import type { Clock } from '../platform/clock.ts'
import type { Database } from '../platform/db/database.ts'
import { isDeadlock, isStaleWrite } from '../platform/db/errors.ts'
import { taskEvent } from './outcome.ts'
import type { TaskRepository } from './repository.ts'
import { type Claimed, claimAll } from './repository-claims.ts'
import { claimTask, guardTask, toTask } from './rows.ts'
import type { Task } from './types.ts'

export interface Claims {
  /** The task, now running here; undefined when it is not queued any more. */
  claim(id: string): Promise<Task | undefined>
  /** A small task that was just queued by this process. */
  remember(task: Task): void
}

export interface ClaimsOptions {
  readonly db: Database
  readonly clock: Clock
  readonly workerId: string
  readonly tasks: TaskRepository
}

/** Tasks that were queued here and are remembered until they are claimed, if they are small. */
const FRESH_MAX = 2000
const BATCH_MAX = 500
const DEADLOCK_TRIES = 5

const makeSingleClaims = ({ db, clock, workerId, tasks }: ClaimsOptions): Claims => {
  const fresh = new LRUCache<string, Task>({ max: FRESH_MAX })
  return {
    remember: (task) => void fresh.set(task.id, task),
    async claim(id) {
      // Made here a moment ago: no need to read it back. Should it have changed since, its fence has, and the claim is refused.
      const queued = fresh.get(id) ?? (await tasks.byId(id))
      fresh.delete(id)
      if (queued?.status !== 'queued') return undefined
      const nowMs = clock.now()
      const { fence, attempt } = queued
      const task: Task = {
        ...queued,
        status: 'running',
        workerId,
        fence: fence + 1,
        attempt: attempt + 1,
        startedAtMs: nowMs,
      }
      const events = [taskEvent(task, 'task.started', { attempt: task.attempt }, nowMs)]
      try {
        await db.commit({ guards: [guardTask(queued)], writes: [claimTask(task)], events })
        return task
      } catch (error) {
        if (isStaleWrite(error)) return undefined
        throw error
      }
    },
  }
}

interface Waiting {
  resolve(task: Task | undefined): void
  reject(error: unknown): void
}

const makeBatchClaims = ({ db, clock, workerId }: ClaimsOptions): Claims => {
  let waiting = new Map<string, Waiting[]>()
  let isClaiming = false

  const claimRows = async (ids: readonly string[], tries = 1): Promise<Claimed[]> => {
    try {
      return await claimAll(db.primary, ids, workerId, clock.now())
    } catch (error) {
      if (!isDeadlock(error) || tries >= DEADLOCK_TRIES) throw error
      return claimRows(ids, tries + 1)
    }
  }

  const claimBatch = async (batch: ReadonlyMap<string, Waiting[]>): Promise<void> => {
    try {
      const rows = await claimRows([...batch.keys()])
      const tasks = new Map(rows.map((row) => [row.id, toTask(row)]))
      db.announce(
        rows.map((row) => {
          const task = tasks.get(row.id) as Task
          const event = taskEvent(task, 'task.started', { attempt: task.attempt }, task.startedAtMs as number)
          return { ...event, id: row.event_id }
        }),
      )
      // One of those that asked for the same task gets it.
      for (const [id, [first, ...others]] of batch) {
        first?.resolve(tasks.get(id))
        for (const { resolve } of others) resolve(undefined)
      }
    } catch (error) {
      for (const askers of batch.values()) for (const { reject } of askers) reject(error)
    }
  }

  const claimWaiting = async (): Promise<void> => {
    isClaiming = true
    while (waiting.size > 0) {
      const batch = new Map([...waiting].slice(0, BATCH_MAX))
      waiting = new Map([...waiting].slice(BATCH_MAX))
      await claimBatch(batch)
    }
    isClaiming = false
  }

  return {
    remember: () => {},
    claim(id) {
      return new Promise((resolve, reject) => {
        const askers = waiting.get(id) ?? []
        waiting.set(id, [...askers, { resolve, reject }])
        if (isClaiming) return
        isClaiming = true
        setImmediate(() => void claimWaiting())
      })
    },
  }
}

export const makeClaims = (options: ClaimsOptions): Claims =>
  options.db.dialect === 'postgres' ? makeBatchClaims(options) : makeSingleClaims(options)
