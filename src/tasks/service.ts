/** Tasks: made, ended from outside, tried again, taken from dead processes; the executor does them. */
import {
  type ErrorRecord,
  makeSweeper,
  type RunInbox,
  type TaskPort,
  type TaskResult,
  toErrorRecord,
} from '../engine/index.ts'
import type { Bus } from '../platform/bus/bus.ts'
import type { Clock } from '../platform/clock.ts'
import type { Database } from '../platform/db/database.ts'
import { isStaleWrite } from '../platform/db/errors.ts'
import type { MakeId } from '../platform/ids.ts'
import type { Json } from '../platform/json.ts'
import type { Log } from '../platform/log.ts'
import { makePartitionAdmission } from '../platform/queue/partition-admission.ts'
import type { Job, Partition, Queue } from '../platform/queue/queue.ts'
import type { QueueRules } from '../platform/queue/rules.ts'
import type { Window } from '../platform/queue/window.ts'
import { checkMayChange, type Owner } from '../platform/scope.ts'
import { makeActivities } from './activities.ts'
import { makeAgain } from './again.ts'
import { makeAnswers } from './answers.ts'
import { type DeadLetterCopies, makeDeadCopies } from './dead-copies.ts'
import { taskErrors } from './errors.ts'
import { makeExecutor, TASK_PARTITIONS } from './executor.ts'
import { lost, taskEvent } from './outcome.ts'
import { makeRedrives } from './redrives.ts'
import { makeTaskRepository } from './repository.ts'
import { cancelTask, queueDueTask } from './rows.ts'
import { makeTaskCreation, partitionOf } from './task-creation.ts'
import type { HandlerSource, Task } from './types.ts'
import { isOpenTask } from './types.ts'

export interface TaskServiceOptions {
  readonly db: Database
  readonly queue: Queue
  readonly window: Window
  readonly rules: QueueRules
  readonly bus: Bus
  readonly clock: Clock
  readonly log: Log
  readonly makeId: MakeId
  readonly workerId: string
  readonly handlers: HandlerSource
  readonly inbox: () => RunInbox
  readonly concurrency: number
  readonly defaultAttempts: number
  readonly payloadLimitBytes: number
  /** Where dead letters stand beside the queue. */
  readonly deadLetterCopies?: DeadLetterCopies | undefined
}

const SWEEP_LIMIT = 500
/** A job that was lost is found so late at most. */
const SLOW_MS = 5000
const ABORT = 'tasks:abort'

/** A task of a run as its journal needs it. */
const resultOf = (task: Task): TaskResult => ({
  taskId: task.id,
  stepKey: task.stepKey as string,
  kind: task.kind,
  outcome: isOpenTask(task.status) ? undefined : task.status === 'completed' ? 'ok' : 'error',
  value: task.status === 'completed' ? task.output : (task.error as unknown as Json),
})

export const makeTaskService = (options: TaskServiceOptions) => {
  const { db, queue, bus, clock, log, makeId, workerId } = options
  const tasks = makeTaskRepository(db.primary)

  const admissions = makePartitionAdmission({
    ...{ queue, window: options.window, rules: options.rules, clock, workerId },
    partitions: TASK_PARTITIONS,
    source: (partition) => tasks.backlog(partition),
    onError: (error, partition) => log.error({ err: error, partition }, 'the backlog of tasks could not be queued'),
  })
  bus.onGap(admissions.doubt)

  /** `isOurs`: its run is carried by this process, which wants to hear of the end. */
  const offer = (task: Pick<Task, 'id' | 'tenantId' | 'priority' | 'partition' | 'limitKey'>, isOurs = false): void => {
    const { id, tenantId, priority, partition, limitKey } = task
    const job: Job = { id, partition, tenantId, priority, ...(isOurs ? { replyTo: workerId } : {}) }
    admissions.offer(limitKey === null ? job : { ...job, key: limitKey })
  }

  const sweeper = makeSweeper({
    name: 'tasks',
    bus,
    clock,
    slowMs: SLOW_MS,
    nextAt: (nowMs) => tasks.nextRunAt(nowMs),
    onError: (error) => log.error({ err: error }, 'the sweep of due tasks failed'),
    async sweep(nowMs) {
      const due = await tasks.due(nowMs, SWEEP_LIMIT)
      await Promise.all(
        due.map(async (task) => {
          await db.commit({ writes: [queueDueTask(task)] })
          offer(task)
        }),
      )
      if (due.length === SWEEP_LIMIT) sweeper.soon()
      await admissions.look()
    },
  })

  const copies = makeDeadCopies({ copies: options.deadLetterCopies, tasks, bus, clock, log })
  const executor = makeExecutor({
    ...options,
    tasks,
    admissionOf: admissions.of,
    retryDue: (atMs) => sweeper.soon(atMs),
    waits: (deadlineAtMs) => answers.waits(deadlineAtMs),
    died: (letter) => copies.died(letter),
    partitions: TASK_PARTITIONS,
  })
  const answers = makeAnswers({ ...options, tasks, executor })
  const activities = makeActivities({ db, bus, clock, tasks, waits: answers.waits })

  const creation = makeTaskCreation({
    ...{ ...options, tasks, executor, answers, activities, offer },
    scheduled: (runAtMs) => sweeper.soon(runAtMs),
  })

  // ---- from outside -----------------------------------------------------------------------------------------------------------------

  const find = async (owner: Owner, id: string): Promise<Task> => {
    const task = await tasks.find(owner, id)
    if (!task) throw taskErrors.task_not_found(`there is no task ${id}`)
    return task
  }

  const cancelled = (): ErrorRecord => toErrorRecord(taskErrors.task_cancelled('the task was cancelled'))

  /** Ends attempts under way, here and elsewhere; that their tasks have ended is committed. */
  const abort = (ids: readonly string[]): void => {
    abortHere(ids)
    bus.broadcast(ABORT, [...ids])
  }
  const abortHere = (ids: readonly string[]): void => {
    for (const id of ids) executor.abort(id, taskErrors.task_cancelled('the task was cancelled'))
  }
  bus.on(ABORT, (ids) => abortHere(ids as string[]))

  /** Its job is of no use any more; whoever handles it all the same finds that out, and gives its place in the window back. */
  const drop = ({ id, kind }: Pick<Task, 'id' | 'kind'>): void => {
    const partition = partitionOf(kind)
    queue.remove(partition, id).then(
      (isRemoved) => {
        if (isRemoved) admissions.of(partition).left({ id })
      },
      (error: unknown) => log.warn({ err: error, taskId: id }, 'a job was not removed'),
    )
  }

  const planCancel: TaskPort['planCancel'] = (open) => {
    const nowMs = clock.now()
    const error = cancelled()
    return {
      writes: open.map((task) => cancelTask(task.id, error, nowMs)),
      events: open.map(({ id: taskId, tenantId, projectId, runId, kind }) => ({
        tenantId,
        projectId,
        runId,
        taskId,
        type: 'task.cancelled',
        data: { kind },
        atMs: nowMs,
      })),
      dispatch() {
        abort(open.map((task) => task.id))
        for (const task of open) drop(task)
      },
    }
  }

  const cancel = async (owner: Owner, id: string): Promise<Task> => {
    const task = await find(owner, id)
    checkMayChange(owner, task)
    if (!isOpenTask(task.status))
      throw taskErrors.task_not_open(`the task ${id} has ended already: it is ${task.status}`)
    const error = cancelled()
    const nowMs = clock.now()
    const end = {
      writes: [cancelTask(id, error, nowMs)],
      events: [taskEvent(task, 'task.cancelled', { error: error as unknown as Json }, nowMs)],
      end: { outcome: 'error' as const, value: error as unknown as Json },
    }
    try {
      await executor.settleDurably(task, end)
    } catch (stale) {
      if (!isStaleWrite(stale)) throw stale
      // Somebody took it or ended it since it was read.
      return cancel(owner, id)
    }
    abort([id])
    drop(task)
    return find(owner, id)
  }

  const again = makeAgain({ db, clock, tasks, find, offer, resolved: (id) => copies.resolved(id) })
  const redrives = makeRedrives({ db, bus, clock, log, makeId, tasks, restart: again.redriveLetter })

  /** Should the queue be away, the job is given again when its lock runs out. */
  const release = ({ partition, id }: Task): Promise<void> =>
    queue
      .release(partition, [id])
      .catch((error: unknown) => log.warn({ err: error, taskId: id }, 'a job was not released'))

  const takeOver = async (workerIds: readonly string[]): Promise<void> => {
    const error = toErrorRecord(taskErrors.worker_lost('the process that held the attempt is gone'))
    const take = async (task: Task): Promise<void> => {
      const outcome = lost(task, error, executor.tools())
      // Durably: the dead are forgotten afterwards, and nobody else looks after what they held.
      try {
        await executor.settleDurably(task, outcome)
      } catch (stale) {
        if (isStaleWrite(stale)) return
        throw stale
      }
      if (outcome.end) return
      await release(task)
      offer(task)
    }
    await Promise.all((await tasks.heldBy(workerIds)).map(take))
  }

  return {
    tasks,
    plan: creation.plan,
    planCancel,
    ofRun: async (runId: string) => (await tasks.ofRun(runId)).map(resultOf),
    async ended(taskIds: readonly string[]) {
      const found = (await tasks.byIds(taskIds)).filter((task) => task.runId !== null && !isOpenTask(task.status))
      return found.map((task) => ({ ...resultOf(task), runId: task.runId as string }))
    },
    create: creation.create,
    find,
    cancel,
    ...again,
    redrives,
    answers,
    activities,
    /** Takes the attempts of dead processes, to be made again. */
    takeOver,
    startExecutor: (partitions?: readonly Partition[]) => executor.start(partitions),
    /** Queues tasks that fall due and keeps the queue filled; ends those that waited too long. For one process at a time. */
    sweepers: {
      due: sweeper,
      answers: answers.sweeper,
      redrives: redrives.sweeper,
      deadLetters: copies.sweeper,
    },
    async stop(graceMs: number) {
      activities.stop()
      await executor.stop(graceMs)
    },
    get active() {
      return executor.active
    },
    /** Throws when the executor, which was started, takes no tasks. */
    assertReady: () => executor.assertReady(),
  }
}

export type TaskService = ReturnType<typeof makeTaskService>
