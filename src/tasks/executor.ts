/** The executor: takes tasks from the queue (or straight from their birth), does them, and commits how they ended. */

import { LRUCache } from 'lru-cache'
import { type FinishedTask, leaveNews, type RunInbox, serialize } from '../engine/index.ts'
import type { Bus } from '../platform/bus/bus.ts'
import { type Clock, waitAtMost } from '../platform/clock.ts'
import type { Database } from '../platform/db/database.ts'
import { isStaleWrite } from '../platform/db/errors.ts'
import { AppError } from '../platform/errors.ts'
import type { MakeId } from '../platform/ids.ts'
import type { Log } from '../platform/log.ts'
import type { Admission } from '../platform/queue/admission.ts'
import { makeLentPlaces } from '../platform/queue/lent-places.ts'
import type { Place } from '../platform/queue/place.ts'
import type { Consumer, Job, Partition, Queue } from '../platform/queue/queue.ts'
import type { QueueRules } from '../platform/queue/rules.ts'
import { makeStrayWatch } from '../platform/stray-watch.ts'
import { type Attempt, startAttempt } from './attempt.ts'
import { makeClaims } from './claims.ts'
import { makeEndHandover } from './end-handover.ts'
import { taskErrors } from './errors.ts'
import { completed, failed, isEndOf, lost, type Outcome, type OutcomeTools, taskEvent } from './outcome.ts'
import type { TaskRepository } from './repository.ts'
import { guardTask, setProgress } from './rows.ts'
import type { DeadLetter, HandlerSource, Task } from './types.ts'

/** The partitions whose jobs are tasks. */
export const TASK_PARTITIONS = ['tasks', 'notifications'] as const satisfies Partition[]
export type TaskPartition = (typeof TASK_PARTITIONS)[number]

export interface ExecutorOptions {
  readonly db: Database
  readonly queue: Queue
  readonly bus: Bus
  readonly clock: Clock
  readonly log: Log
  readonly makeId: MakeId
  readonly workerId: string
  readonly tasks: TaskRepository
  readonly handlers: HandlerSource
  readonly inbox: () => RunInbox
  readonly admissionOf: (partition: TaskPartition) => Admission
  readonly rules: QueueRules
  /** A retry has a time: the sweeper is to look. */
  readonly retryDue: (atMs: number) => void
  /** A task began to wait for its answer. */
  readonly waits: (deadlineAtMs: number | null) => void
  /** A task is dead, and that is committed. */
  readonly died: (letter: DeadLetter) => void
  readonly partitions: readonly TaskPartition[]
  readonly concurrency: number
  readonly payloadLimitBytes: number
}

export interface Executor {
  /** A place for a task that starts with its birth, here or in another process, if one is free and nobody waits for it. */
  reserve(partition: Partition, tenantId: string): Place<Task> | undefined
  /** A small task that was just queued by this process. */
  remember(task: Task): void
  /** Ends an attempt under way, if it is here; its result is not taken. */
  abort(taskId: string, error: Error): void
  /** Commits how a task ended, or hands that to its run. */
  settle(task: Task, outcome: Outcome): Promise<void>
  /** The same, but resolves when it is durable and rejects with `stale_write` when it was refused. */
  settleDurably(task: Task, outcome: Outcome): Promise<void>
  tools(): OutcomeTools
  /** Takes tasks of those partitions. */
  start(partitions?: readonly Partition[]): void
  /** Lets attempts finish for at most `graceMs`; the rest is given back to the backlog. */
  stop(graceMs: number): Promise<void>
  readonly active: number
  /** Throws when it takes no tasks. */
  assertReady(): void
}

const PROGRESS_EVERY_MS = 1000
const RETRY_COMMIT_MS = 500
/** How often tasks are looked for that this process holds by their rows, and does not do. */
const STRAYS_EVERY_MS = 5000
/** A larger result does not travel. */
const TRAVELS_BYTES = 16_384
/** Tasks that were given up a moment ago, and may still arrive. */
const GIVEN_UP_MAX = 1000

export const makeExecutor = (options: ExecutorOptions): Executor => {
  const { db, queue, clock, log, handlers } = options
  const active = new Map<string, Attempt>()
  /** Which process probably holds the run of a task that came from elsewhere. */
  const holders = new WeakMap<Task, string>()
  const claims = makeClaims(options)
  const handover = makeEndHandover(options)
  const settling = new Set<Promise<void>>()
  /** Tasks whose attempt is over and whose end is not in the database yet. */
  const ending = new Map<string, Task>()
  /** Jobs and attempts under way. */
  const underWay = new Set<Promise<unknown>>()
  /** By task and fence: what arrives late is not done, somebody else does it. */
  const givenUp = new LRUCache<string, true>({ max: GIVEN_UP_MAX })
  const consumers = new Map<Partition, Consumer>()
  const ends: (() => void)[] = []
  let isStopping = false
  /** Set when nothing may be begun any more. */
  let cutOff: AppError | undefined
  const tools = (): OutcomeTools => ({ nowMs: clock.now(), random: Math.random, makeId: options.makeId })

  /** Commits until it is done or refused: an attempt's result is not thrown away because the database is away for a moment. */
  const commitResult = (task: Task, outcome: Outcome): Promise<void> =>
    commitEnd(task, outcome).catch((error: unknown) => {
      if (!(error instanceof AppError)) throw error
      refused(task, error)
    })

  const commitEnd = async (task: Task, outcome: Outcome): Promise<void> => {
    const writes = [...outcome.writes]
    if (task.runId && outcome.end) writes.push(leaveNews(task.runId, clock.now()))
    for (let isFirst = true; ; isFirst = false) {
      try {
        await db.commit({ guards: [guardTask(task)], writes, events: outcome.events }).catch(async (error: unknown) => {
          // The answer to the try before was lost: what stands in the way is this very end.
          if (isFirst || !isStaleWrite(error) || !isEndOf(await options.tasks.byId(task.id), outcome)) throw error
        })
        break
      } catch (error) {
        if (error instanceof AppError) throw error
        log.error({ err: error, taskId: task.id }, 'the end of a task could not be written; trying again')
        await new Promise<void>((resolve) => clock.after(RETRY_COMMIT_MS, resolve))
      }
    }
    if (task.runId && outcome.end) {
      options.inbox().wake(task.runId, { taskId: task.id, holder: holderOf(task) })
    }
    if (outcome.retryAtMs !== undefined) options.retryDue(outcome.retryAtMs)
    if (outcome.deadlineAtMs !== undefined) options.waits(outcome.deadlineAtMs)
    if (outcome.letter) options.died(outcome.letter)
  }

  /** Unless it has left: a message to it would be lost. */
  const holderOf = (task: Task): string | undefined => {
    const holder = holders.get(task)
    return holder !== undefined && options.bus.knows(holder) ? holder : undefined
  }

  const refused = (task: Task, error: AppError): void => {
    log.warn(
      { taskId: task.id, code: error.code },
      'the end of an attempt was refused: the task is held by another owner by now',
    )
  }

  const keyOf = ({ id, fence }: Task): string => `${id}:${fence}`

  const interrupted = (): AppError =>
    taskErrors.task_interrupted('the process was stopped; the task goes on after the next start')

  /** Gives a task that this process holds and does not do back to the backlog. */
  const giveUp = (task: Task, { message, code }: AppError): Promise<void> => {
    givenUp.set(keyOf(task), true)
    places.refuse(task.id)
    return commitResult(task, lost(task, { code, message }, tools()))
  }

  /** Hands the end of a run's task to the run, if that is here and waits for it. */
  const offerToRun = (task: Task, outcome: Outcome, told: Pick<FinishedTask, 'committed' | 'failed'>): boolean => {
    if (!task.runId || !task.stepKey || !outcome.end) return false
    return options.inbox().offer({
      runId: task.runId,
      taskId: task.id,
      stepKey: task.stepKey,
      ...outcome.end,
      guards: [guardTask(task)],
      writes: outcome.writes,
      events: outcome.events,
      ...told,
    })
  }

  const settle = async (task: Task, outcome: Outcome): Promise<void> => {
    const over = (): void => {
      if (ending.get(task.id) === task) ending.delete(task.id)
    }
    const commit = (): Promise<void> => commitResult(task, outcome).finally(over)
    ending.set(task.id, task)
    // It may have been the run that was stale: the task's own guard decides.
    const failed = (): void => track(commit())
    if (offerToRun(task, outcome, { committed: over, failed })) return
    if (await isSettledElsewhere(task, outcome)) {
      over()
      return
    }
    // Who did not take the end may not hold the run any more: its row says who does.
    holders.delete(task)
    await commit()
  }

  /** Hands the end to the process that carries the run, if it is known and the end is small. */
  const isSettledElsewhere = async (task: Task, { end, events }: Outcome): Promise<boolean> => {
    const { id: taskId, fence, runId, stepKey } = task
    const holder = holderOf(task)
    if (runId === null || stepKey === null || holder === undefined || holder === options.workerId) return false
    if (!end?.written || (end.written.outputText?.length ?? 0) > TRAVELS_BYTES) return false
    return handover.hand(holder, { taskId, fence, runId, stepKey, end: end.written, events })
  }

  const settleDurably = (task: Task, outcome: Outcome): Promise<void> => {
    // What has an attempt, or is about to, may change in the same moment: that would be refused, and cost the run its memory.
    if (task.status !== 'waiting') return commitEnd(task, outcome)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    // A run that could not commit is rebuilt, and finds the end in the task. A stale guard is told again by the task's own.
    const failed = (): void => void commitEnd(task, outcome).then(resolve, reject)
    return offerToRun(task, outcome, { committed: resolve, failed }) ? promise : commitEnd(task, outcome)
  }

  const track = (work: Promise<void>): void => {
    const settled = work
      .catch((error: unknown) => log.error({ err: error }, 'a task could not be settled'))
      .finally(() => {
        settling.delete(settled)
      })
    settling.add(settled)
  }

  const makeProgress = (task: Task): ((progress: Parameters<typeof setProgress>[1]) => void) => {
    let lastMs = 0
    return (progress) => {
      if (clock.now() - lastMs < PROGRESS_EVERY_MS) return
      lastMs = clock.now()
      const events = [taskEvent(task, 'task.progress', { progress }, lastMs)]
      db.commit({ guards: [guardTask(task)], writes: [setProgress(task.id, progress)], events }).catch(
        (error: unknown) => log.warn({ err: error, taskId: task.id }, 'progress could not be written'),
      )
    }
  }

  const outcomeOf = async (task: Task, attempt: Attempt): Promise<Outcome> => {
    try {
      const output = await attempt.result
      return completed(task, serialize(output, options.payloadLimitBytes, 'the output of the task'), tools())
    } catch (error) {
      const isInterrupted = error instanceof AppError && error.code === 'task_interrupted'
      return isInterrupted
        ? lost(task, { code: error.code, message: error.message }, tools())
        : failed(task, error, tools())
    }
  }

  /** Resolves when the attempt's place is free; how it ended is committed meanwhile. False: it was called off; another may have the task. */
  const attemptTask = async (task: Task): Promise<boolean> => {
    if (givenUp.has(keyOf(task))) return false
    if (cutOff) {
      track(giveUp(task, cutOff))
      return false
    }
    const attempt = startAttempt({
      task,
      handler: () => handlers.find(task, task.kind),
      clock,
      onProgress: makeProgress(task),
    })
    active.set(task.id, attempt)
    const outcome = await outcomeOf(task, attempt)
    // Not here any more: it was ended from outside, and that end is committed.
    if (active.get(task.id) !== attempt) return false
    active.delete(task.id)
    track(settle(task, outcome))
    return cutOff === undefined
  }

  const whileUnderWay = <T>(work: Promise<T>): Promise<T> => {
    underWay.add(work)
    return work.finally(() => underWay.delete(work))
  }

  /** A process that died, or stood still, has lost the task to another, while its job comes again or ends: the place in the window is his. */
  const isAnothers = async (id: string, mine: Task | undefined): Promise<boolean> => {
    const now = await options.tasks.byId(id)
    return now?.status === 'running' && now.fence !== mine?.fence
  }

  const handle = async (job: Job): Promise<void> => {
    let isOver = true
    try {
      // Stays queued in the database.
      if (options.rules.isPaused(job.partition, job.tenantId)) return
      const task = await claims.claim(job.id)
      if (task && job.replyTo !== undefined) holders.set(task, job.replyTo)
      if (!task || !(await attemptTask(task))) isOver = !(await isAnothers(job.id, task))
    } finally {
      if (isOver) options.admissionOf(job.partition as TaskPartition).left(job)
    }
  }

  const run = (task: Task, free: () => void): void => {
    whileUnderWay(attemptTask(task))
      .catch((error: unknown) => log.error({ err: error, taskId: task.id }, 'an attempt broke'))
      .finally(free)
  }

  const places = makeLentPlaces<Task>({
    ...{ bus: options.bus, clock, workerId: options.workerId, topic: 'tasks' },
    read: options.tasks.byId,
    run(task, free, from) {
      if (isStopping) {
        track(giveUp(task, interrupted()))
        free()
        return
      }
      holders.set(task, from)
      run(task, free)
    },
    orphaned: (task) =>
      track(giveUp(task, taskErrors.task_interrupted('the process that was to do the task has ended'))),
    onDoubt: () => strays.soon(),
    // The watch for strays finds it again.
    onError: (error, taskId) => log.error({ err: error, taskId }, 'a task could not be read'),
  })

  /** Here first. */
  const reserve = (partition: Partition, tenantId: string): Place<Task> | undefined => {
    const consumer = consumers.get(partition)
    if (!consumer) return places.take(partition, tenantId)
    const giveBack = consumer.reserve()
    return giveBack && { workerId: options.workerId, giveBack, start: (task) => run(task, giveBack) }
  }

  const abort: Executor['abort'] = (taskId, error) => {
    const attempt = active.get(taskId)
    active.delete(taskId)
    attempt?.abort(error)
  }

  const strays = makeStrayWatch<Task>({
    clock,
    everyMs: STRAYS_EVERY_MS,
    held: () => options.tasks.heldBy([options.workerId]),
    isKnown: ({ id }) => active.has(id) || ending.has(id),
    keyOf,
    async giveUp(task) {
      log.warn({ taskId: task.id }, 'a task was taken by a commit that nobody answered; it is made again')
      await giveUp(
        task,
        taskErrors.task_interrupted('the database took the task for this process, and its answer was lost'),
      )
    },
    atWork: () => [...active.values()].map(({ task }) => task),
    letGo({ id }) {
      log.warn({ taskId: id }, 'an attempt goes on in vain: its task was ended or taken elsewhere')
      abort(id, taskErrors.task_not_waiting('the task was ended elsewhere'))
    },
    onError: (error) => log.error({ err: error }, 'the look at tasks held here failed'),
  })

  return {
    remember: claims.remember,
    reserve,
    abort,
    settle,
    settleDurably,
    tools,
    start(partitions = options.partitions) {
      for (const partition of options.partitions.filter((name) => partitions.includes(name))) {
        const { concurrency } = options
        const onFull = (): void => places.full(partition)
        const consumer = queue.consume({ partition, concurrency, handle: (job) => whileUnderWay(handle(job)), onFull })
        consumers.set(partition, consumer)
        places.lend(partition, concurrency, consumer.reserve)
        ends.push(options.admissionOf(partition).serve(concurrency))
      }
      strays.start()
      ends.push(strays.stop)
    },
    async stop(graceMs) {
      isStopping = true
      for (const end of ends.splice(0)) end()
      places.stop()
      for (const consumer of consumers.values()) consumer.pause()
      // Also what was on its way into an attempt.
      const done = (async () => {
        while (underWay.size > 0) await Promise.allSettled(underWay)
      })()
      await waitAtMost(clock, graceMs, done)
      cutOff = interrupted()
      for (const attempt of active.values()) attempt.abort(cutOff)
      await Promise.all([...consumers.values()].map((consumer) => consumer.stop()))
      while (settling.size > 0) await Promise.all(settling)
    },
    get active() {
      return active.size
    },
    assertReady() {
      for (const [partition, consumer] of consumers) {
        if (!consumer.isReady())
          throw new Error(`the executor takes no jobs of the partition "${partition}" at present`)
      }
    },
  }
}
