/** Tasks that wait for somebody outside: answered by their token, kept alive by heartbeats, ended when nobody answers in time. */
import { type ErrorRecord, makeSweeper, type Sweeper, serialize, toErrorRecord } from '../engine/index.ts'
import type { Bus } from '../platform/bus/bus.ts'
import type { Clock } from '../platform/clock.ts'
import type { Database } from '../platform/db/database.ts'
import { isStaleWrite } from '../platform/db/errors.ts'
import type { Json } from '../platform/json.ts'
import type { Log } from '../platform/log.ts'
import { checkMayChange, ifVisible, type Owner, tenantOf } from '../platform/scope.ts'
import { taskErrors } from './errors.ts'
import type { Executor } from './executor.ts'
import { completed, ended, type Outcome } from './outcome.ts'
import { isTimedOut, keyOfToken, waitDeadline } from './outside.ts'
import type { TaskRepository } from './repository.ts'
import { guardTask, passFence, setProgress, setWaitDeadline } from './rows.ts'
import { isOpenTask, type Task } from './types.ts'

export interface AnswersOptions {
  readonly db: Database
  readonly bus: Bus
  readonly clock: Clock
  readonly log: Log
  readonly tasks: TaskRepository
  readonly executor: Executor
  readonly payloadLimitBytes: number
}

export type TaskAnswer = { readonly output: Json } | { readonly error: ErrorRecord }

export interface Answers {
  /** Ends the task of a token; resolves when that is durable. Throws `token_not_found`, `task_not_waiting`. */
  answer(owner: Owner, token: string, answer: TaskAnswer): Promise<void>
  /** Says that the work for a token goes on, and how far it is. */
  heartbeat(owner: Owner, token: string, progress?: Json): Promise<void>
  /** A task began to wait: if it has not long, the sweep is to know. */
  waits(deadlineAtMs: number | null): void
  /** Ends tasks that waited too long. */
  readonly sweeper: Pick<Sweeper, 'start' | 'stop'>
}

const SWEEP_LIMIT = 500
/** The sweep looks so often without being told. */
const SLOW_MS = 10_000

export const makeAnswers = (options: AnswersOptions): Answers => {
  const { db, clock, log, tasks, executor } = options
  /** Tasks being answered by this process: a second answer at the same moment is refused. */
  const answering = new Set<string>()

  const find = async (owner: Owner, token: string): Promise<Task> => {
    const task = ifVisible(owner, await tasks.findByIdempotencyKey(tenantOf(owner), keyOfToken(token)))
    if (!task) throw taskErrors.token_not_found('there is no task with this token')
    checkMayChange(owner, task)
    // The token may be out before the attempt is over, and stays out when the attempt is lost and waits to be made again.
    const isAwaited = task.status === 'waiting' || (isOpenTask(task.status) && task.settings.waitForToken)
    if (!isAwaited || answering.has(task.id)) {
      throw taskErrors.task_not_waiting(`the task of this token waits for no answer: it is ${task.status}`)
    }
    return task
  }

  /** The next owner's number is taken with the end, so that an attempt still under way somewhere can write no more. */
  const end = async (task: Task, outcome: Outcome): Promise<void> => {
    answering.add(task.id)
    try {
      executor.abort(task.id, taskErrors.task_not_waiting('the task was answered by its token'))
      await executor.settleDurably(task, { ...outcome, writes: [...outcome.writes, passFence(task.id)] })
    } finally {
      answering.delete(task.id)
    }
  }

  const outcomeOf = (task: Task, answer: TaskAnswer): Outcome => {
    if ('error' in answer) return ended(task, answer.error, 'not_retryable', executor.tools())
    const settings = { ...task.settings, waitForToken: false }
    const text = serialize(answer.output, options.payloadLimitBytes, 'the output of the task')
    return completed({ ...task, settings }, text, executor.tools())
  }

  const expire = async (task: Task): Promise<void> => {
    const error = isTimedOut(task, clock.now())
      ? taskErrors.task_timeout(`no answer came within ${task.settings.timeoutMs} ms`)
      : taskErrors.task_heartbeat_timeout(`no heartbeat came for ${task.settings.heartbeatMs} ms`)
    if (answering.has(task.id)) return
    await end(task, ended(task, toErrorRecord(error), 'deadline_passed', executor.tools()))
  }

  const sweeper = makeSweeper({
    name: 'answers',
    bus: options.bus,
    clock,
    slowMs: SLOW_MS,
    nextAt: (nowMs) => tasks.nextWaitDeadline(nowMs),
    onError: (error) => log.error({ err: error }, 'the sweep of waiting tasks failed'),
    async sweep(nowMs) {
      const overdue = await tasks.overdue(nowMs, SWEEP_LIMIT)
      const done = await Promise.allSettled(overdue.map(expire))
      for (const result of done) {
        // Answered at the last moment: so be it.
        if (result.status === 'rejected' && !isStaleWrite(result.reason)) throw result.reason
      }
      if (overdue.length === SWEEP_LIMIT) sweeper.soon()
    },
  })

  /** Its attempt may end, or be lost and begin anew, while somebody answers: then it is looked at again. */
  const ofAwaited = async (owner: Owner, token: string, act: (task: Task) => Promise<void>): Promise<void> => {
    for (;;) {
      const task = await find(owner, token)
      try {
        return await act(task)
      } catch (error) {
        if (!isStaleWrite(error)) throw error
      }
    }
  }

  return {
    answer: (owner, token, answer) => ofAwaited(owner, token, (task) => end(task, outcomeOf(task, answer))),
    heartbeat: (owner, token, progress) =>
      ofAwaited(owner, token, async (task) => {
        const writes = [
          setWaitDeadline(task.id, waitDeadline(task, clock.now())),
          ...(progress === undefined ? [] : [setProgress(task.id, progress)]),
        ]
        await db.commit({ guards: [guardTask(task)], writes })
      }),
    waits(deadlineAtMs) {
      if (deadlineAtMs !== null && deadlineAtMs - clock.now() < SLOW_MS) sweeper.soon(deadlineAtMs)
    },
    sweeper,
  }
}
