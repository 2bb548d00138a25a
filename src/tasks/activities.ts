/** Activities: tasks that wait for a remote worker, who polls for them and answers by their token. */
import { randomBytes } from 'node:crypto'
import type { Bus } from '../platform/bus/bus.ts'
import type { Clock } from '../platform/clock.ts'
import type { Database } from '../platform/db/database.ts'
import { isStaleWrite } from '../platform/db/errors.ts'
import type { Scope } from '../platform/scope.ts'
import { taskEvent } from './outcome.ts'
import { activityKind, tokenOfKey, waitDeadline } from './outside.ts'
import type { TaskRepository } from './repository.ts'
import { guardTask, takeActivity } from './rows.ts'
import type { Task } from './types.ts'

export interface Poll {
  readonly tenantId: string
  /** Only tasks of that project; of all of the tenant for null. */
  readonly projectId: string | null
  readonly name: string
  /** Who asks, for the timeline. */
  readonly worker: string | undefined
  readonly waitMs: number
  /** Aborted when the worker has gone: nothing is taken for it any more. */
  readonly signal: AbortSignal
}

export interface TakenTask {
  readonly task: Task
  readonly token: string
}

export interface Activities {
  /** The oldest task of that activity, the most urgent first, as soon as there is one; undefined after `waitMs`. */
  poll(request: Poll): Promise<TakenTask | undefined>
  /** A task of an activity was made here: whoever has polled longest looks. */
  born(task: Scope & Pick<Task, 'kind'>): void
  stop(): void
}

/** A task whose message was lost is found so late at most. */
const LOOK_EVERY_MS = 10_000
const BORN = 'activities:born'

export const makeToken = (): string => randomBytes(24).toString('base64url')

export const makeActivities = (options: {
  readonly db: Database
  readonly bus: Bus
  readonly clock: Clock
  readonly tasks: TaskRepository
  /** Told when a task that was taken may miss a heartbeat. */
  readonly waits: (deadlineAtMs: number | null) => void
}): Activities => {
  const { db, bus, clock, tasks, waits } = options
  /** Those that wait, by whose tasks they take and the kind, longest first. */
  const pollers = new Map<string, Set<() => void>>()
  const keyOf = ({ tenantId, projectId }: Scope, kind: string): string => `${tenantId}/${projectId ?? ''}/${kind}`
  let isStopping = false

  const take = async (scope: Scope, kind: string, worker: string | undefined): Promise<Task | undefined> => {
    for (;;) {
      const found = await tasks.nextActivity(scope, kind)
      if (!found) return undefined
      const nowMs = clock.now()
      const deadlineAtMs = waitDeadline(found, nowMs)
      const { fence, attempt } = found
      const task: Task = { ...found, fence: fence + 1, attempt: attempt + 1, startedAtMs: nowMs, deadlineAtMs }
      const events = [taskEvent(task, 'task.started', { attempt: task.attempt, worker }, nowMs)]
      try {
        await db.commit({ guards: [guardTask(found)], writes: [takeActivity(task)], events })
      } catch (error) {
        // Another worker was quicker: the next one.
        if (isStaleWrite(error)) continue
        throw error
      }
      waits(deadlineAtMs)
      return task
    }
  }

  const bornHere = (key: string): void => {
    const waiting = pollers.get(key)
    const [first] = waiting ?? []
    if (!waiting || !first) return
    // At once: what is born in the same moment is for the next.
    waiting.delete(first)
    first()
  }
  bus.on(BORN, (key) => bornHere(key as string))

  /** Resolves when there may be something to take. */
  const news = (key: string, waitMs: number, signal: AbortSignal): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const waiting = pollers.get(key) ?? new Set()
    pollers.set(key, waiting.add(resolve))
    const disarm = clock.after(waitMs, resolve)
    signal.addEventListener('abort', () => resolve(), { once: true })
    // Gone since the last look: no event will tell of it.
    if (signal.aborted || isStopping) resolve()
    return promise.finally(() => {
      disarm()
      waiting.delete(resolve)
      if (waiting.size === 0 && pollers.get(key) === waiting) pollers.delete(key)
    })
  }

  return {
    async poll({ tenantId, projectId, name, worker, waitMs, signal }) {
      const kind = activityKind(name)
      const untilMs = clock.now() + waitMs
      for (;;) {
        if (signal.aborted || isStopping) return undefined
        const task = await take({ tenantId, projectId }, kind, worker)
        const leftMs = untilMs - clock.now()
        if (task) return { task, token: tokenOfKey(task.idempotencyKey as string) }
        if (leftMs <= 0) return undefined
        await news(keyOf({ tenantId, projectId }, kind), Math.min(leftMs, LOOK_EVERY_MS), signal)
      }
    },
    born({ tenantId, projectId, kind }) {
      // One that takes the tasks of its project alone, and one that takes all of the tenant's.
      const keys = [...new Set([projectId, null])].map((id) => keyOf({ tenantId, projectId: id }, kind))
      for (const key of keys) {
        bornHere(key)
        bus.broadcast(BORN, key)
      }
    },
    stop() {
      isStopping = true
      for (const waiting of pollers.values()) for (const wake of waiting) wake()
    },
  }
}
