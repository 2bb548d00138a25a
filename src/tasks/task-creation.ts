/** Tasks are made: for themselves, or planned for a run, which commits them. A task starts with its birth where a place is free. */
import {
  type CompiledRetry,
  compileRetry,
  type PlannedTask,
  type RetryPolicy,
  type RunTaskSpec,
  serialize,
  type TaskPort,
} from '../engine/index.ts'
import type { Clock } from '../platform/clock.ts'
import type { Database } from '../platform/db/database.ts'
import { isUniqueViolation } from '../platform/db/errors.ts'
import type { MakeId } from '../platform/ids.ts'
import type { Json } from '../platform/json.ts'
import type { Priority } from '../platform/queue/queue.ts'
import type { QueueRules } from '../platform/queue/rules.ts'
import { keyWithin } from '../platform/scope.ts'
import { type Activities, makeToken } from './activities.ts'
import type { Answers } from './answers.ts'
import { taskErrors } from './errors.ts'
import type { Executor, TaskPartition } from './executor.ts'
import { taskEvent } from './outcome.ts'
import { isActivity, isOutside, keyOfToken, TOKEN_KIND, waitDeadline } from './outside.ts'
import type { TaskRepository } from './repository.ts'
import { insertTask } from './rows.ts'
import type { HandlerSource, Task, TaskStatus } from './types.ts'

export interface NewTask {
  readonly tenantId: string
  readonly projectId: string | null
  readonly kind: string
  readonly input: Json
  readonly priority: Priority
  readonly runAtMs?: number | undefined
  readonly deadlineAtMs?: number | undefined
  readonly timeoutMs?: number | undefined
  readonly heartbeatMs?: number | undefined
  readonly retry?: RetryPolicy | undefined
  /** A second task with the same key of the same tenant and project is not made: the first is returned. */
  readonly idempotencyKey?: string | undefined
  /** Tasks of the tenant with the same one share the limits that are set for it. */
  readonly limitKey?: string | undefined
  /** The trace of the request that asked for it, for the timeline. */
  readonly traceId?: string | undefined
}

export interface TaskCreation {
  readonly plan: TaskPort['plan']
  /** Resolves after the commit. */
  create(request: NewTask): Promise<{ task: Task; isNew: boolean }>
}

export interface TaskCreationOptions {
  readonly db: Database
  readonly tasks: TaskRepository
  readonly clock: Clock
  readonly makeId: MakeId
  readonly rules: QueueRules
  readonly handlers: HandlerSource
  readonly executor: Pick<Executor, 'reserve' | 'remember'>
  readonly answers: Pick<Answers, 'waits'>
  readonly activities: Pick<Activities, 'born'>
  readonly defaultAttempts: number
  readonly payloadLimitBytes: number
  /** A task was queued. `isOurs`: its run is carried by this process, which wants to hear of the end. */
  offer(task: Task, isOurs: boolean): void
  /** A task has a time: the sweeper is to look. */
  scheduled(runAtMs: number): void
}

interface Draft {
  readonly tenantId: string
  readonly projectId: string | null
  readonly runId: string | null
  readonly stepKey: string | null
  readonly kind: string
  readonly input: Json
  readonly priority: Priority
  readonly settings: Task['settings']
  readonly runAtMs: number | undefined
  readonly deadlineAtMs: number | null
  readonly idempotencyKey: string | null
  readonly limitKey: string | null
}

/** Characters. The executor remembers a task just made whose input is shorter, and need not read it again. */
const SMALL_INPUT = 2048

export const partitionOf = (kind: string): TaskPartition =>
  kind.startsWith('notification:') ? 'notifications' : 'tasks'

export const makeTaskCreation = (options: TaskCreationOptions): TaskCreation => {
  const { db, tasks, clock, makeId, handlers, executor, answers, activities } = options
  const defaultRetry: CompiledRetry = compileRetry(undefined, options.defaultAttempts)

  /** A task that starts with its birth when the executor has a place to spare, and is queued or scheduled otherwise. */
  const make = (draft: Draft, inputText: string, traceId?: string): PlannedTask & { readonly task: Task } => {
    const nowMs = clock.now()
    const partition = partitionOf(draft.kind)
    const isAnswered = isOutside(draft.kind)
    const isLater = !isAnswered && draft.runAtMs !== undefined && draft.runAtMs > nowMs
    const mayStart =
      !isLater && !isAnswered && options.rules.isFree(partition, draft.tenantId, draft.limitKey ?? undefined)
    const place = mayStart ? executor.reserve(partition, draft.tenantId) : undefined
    const notRunning: TaskStatus = isAnswered ? 'waiting' : isLater ? 'scheduled' : 'queued'
    const isStarted = place !== undefined || draft.kind === TOKEN_KIND
    const runAtMs = draft.runAtMs ?? nowMs
    const task: Task = {
      ...draft,
      id: makeId(),
      partition,
      status: place ? 'running' : notRunning,
      output: null,
      error: null,
      attempt: place ? 1 : 0,
      lost: 0,
      workerId: place?.workerId ?? null,
      fence: 0,
      runAtMs,
      deadlineAtMs: isAnswered
        ? waitDeadline({ ...draft, runAtMs }, isStarted ? nowMs : undefined)
        : draft.deadlineAtMs,
      progress: null,
      createdAtMs: nowMs,
      startedAtMs: isStarted ? nowMs : null,
      finishedAtMs: null,
    }
    const data = place ? { attempt: 1 } : isLater ? { runAtMs: task.runAtMs } : {}
    const birth = place ? 'task.started' : `task.${task.status}`
    return {
      task,
      id: task.id,
      writes: [insertTask(task, inputText)],
      events: [taskEvent(task, birth, { ...data, traceId }, nowMs)],
      dispatch() {
        if (place) place.start(task)
        else if (isLater) options.scheduled(runAtMs)
        else if (isAnswered) {
          answers.waits(task.deadlineAtMs)
          activities.born(task)
        } else {
          if (inputText.length < SMALL_INPUT) executor.remember(task)
          options.offer(task, task.runId !== null)
        }
      },
      abandon: () => place?.giveBack(),
    }
  }

  const plan = (spec: RunTaskSpec): PlannedTask => {
    const { tenantId, projectId, runId, stepKey, kind, input, priority, retry, timeoutMs, heartbeatMs, waitForToken } =
      spec
    const token = spec.token ?? (isActivity(kind) ? makeToken() : undefined)
    const idempotencyKey = token === undefined ? null : keyOfToken(token)
    const defaults = handlers.defaultsOf?.(kind)
    const settings = {
      retry: retry ?? defaults?.retry ?? defaultRetry,
      timeoutMs: timeoutMs ?? defaults?.timeoutMs,
      heartbeatMs,
      waitForToken,
    }
    const runAtMs = spec.delayMs === undefined ? undefined : clock.now() + spec.delayMs
    const base = { tenantId, projectId, runId, stepKey, kind, input, priority, settings, runAtMs }
    return make({ ...base, deadlineAtMs: null, idempotencyKey, limitKey: spec.limitKey ?? null }, JSON.stringify(input))
  }

  const same = (task: Task, request: NewTask): Task => {
    if (task.kind === request.kind && JSON.stringify(task.input) === JSON.stringify(request.input)) return task
    throw taskErrors.idempotency_conflict(
      `the idempotency key "${request.idempotencyKey}" belongs to the task ${task.id} (${task.kind}) with another kind or input; use a new key`,
    )
  }

  const create = async (request: NewTask): Promise<{ task: Task; isNew: boolean }> => {
    const { tenantId, projectId, kind, input, priority, runAtMs, limitKey = null } = request
    const idempotencyKey = request.idempotencyKey ? keyWithin(request, request.idempotencyKey) : null
    const inputText = serialize(input, options.payloadLimitBytes, 'the input of the task')
    await handlers.find({ tenantId, projectId }, kind)
    const known = idempotencyKey && (await tasks.findByIdempotencyKey(tenantId, idempotencyKey))
    if (known) return { task: same(known, request), isNew: false }
    const given = request.retry && compileRetry(request.retry, options.defaultAttempts)
    const defaults = handlers.defaultsOf?.(kind)
    const settings = {
      retry: given ?? defaults?.retry ?? defaultRetry,
      timeoutMs: request.timeoutMs ?? defaults?.timeoutMs,
      heartbeatMs: request.heartbeatMs,
    }
    const deadlineAtMs = request.deadlineAtMs ?? null
    const base = { tenantId, projectId, runId: null, stepKey: null, kind, input, priority, settings, runAtMs }
    const made = make({ ...base, deadlineAtMs, idempotencyKey, limitKey }, inputText, request.traceId)
    try {
      await db.commit({ writes: made.writes, events: made.events })
    } catch (error) {
      made.abandon()
      const winner =
        idempotencyKey && isUniqueViolation(error) && (await tasks.findByIdempotencyKey(tenantId, idempotencyKey))
      if (!winner) throw error
      return { task: same(winner, request), isNew: false }
    }
    made.dispatch()
    return { task: made.task, isNew: true }
  }

  return { plan, create }
}
