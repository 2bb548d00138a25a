/** Tasks that ended are made again: by hand, or as dead letters one by one and by filter; or their dead letters are discarded. */
import type { Clock } from '../platform/clock.ts'
import type { Database } from '../platform/db/database.ts'
import { AppError } from '../platform/errors.ts'
import { checkMayChange, type Owner } from '../platform/scope.ts'
import { taskErrors } from './errors.ts'
import { taskEvent } from './outcome.ts'
import type { TaskRepository } from './repository.ts'
import { guardTask, passFence, queueDueTask, resolveDeadLetter, restartTask } from './rows.ts'
import type { DeadLetter, Task } from './types.ts'

export interface AgainOptions {
  readonly db: Database
  readonly clock: Clock
  readonly tasks: TaskRepository
  find(owner: Owner, id: string): Promise<Task>
  /** A task is queued again. */
  offer(task: Task): void
  /** A letter is dead no more. */
  resolved(letterId: string): void
}

export interface DeadLetterChoice {
  readonly kind?: string | undefined
  readonly reason?: string | undefined
}

const DISCARDED_MAX = 1000

export const makeAgain = ({ db, clock, tasks, find, offer, resolved }: AgainOptions) => {
  /** From the first attempt; its dead letter counts as redriven. */
  const restart = async (task: Task, type: 'task.retried' | 'task.redriven'): Promise<void> => {
    const nowMs = clock.now()
    await db.commit({
      guards: [guardTask(task)],
      writes: [restartTask(task.id, nowMs), resolveDeadLetter(task.id, 'redriven', nowMs)],
      events: [taskEvent(task, type, {}, nowMs)],
    })
    offer(task)
  }

  /**
   * The task of a dead letter; refused when somebody else has redriven it since the letter was read: it may be at work, done, or dead anew.
   * The letter is looked for after the task, so that whoever resolves it later meets the task's guard.
   */
  const deadTask = async (letter: DeadLetter): Promise<Task> => {
    const task = await find(letter.tenantId, letter.taskId)
    if ((await tasks.deadLetterOf(task.id))?.id === letter.id) return task
    throw taskErrors.dead_letter_resolved(
      `the dead letter ${letter.id} was resolved meanwhile; its task is ${task.status}`,
    )
  }

  const openLetter = async (owner: Owner, id: string): Promise<DeadLetter> => {
    const letter = await tasks.deadLetter(owner, id)
    if (!letter) throw taskErrors.dead_letter_not_found(`there is no dead letter ${id}`)
    checkMayChange(owner, letter)
    if (letter.status === 'dead') return letter
    throw taskErrors.dead_letter_resolved(`the dead letter ${id} is ${letter.status} already`)
  }

  const discardLetter = async (letter: DeadLetter): Promise<void> => {
    const task = await deadTask(letter)
    const nowMs = clock.now()
    await db.commit({
      guards: [guardTask(task)],
      // Whoever is about to start it again can no more.
      writes: [resolveDeadLetter(task.id, 'discarded', nowMs), passFence(task.id)],
      events: [taskEvent(task, 'task.discarded', {}, nowMs)],
    })
    resolved(letter.id)
  }

  return {
    /** Tries a dead or cancelled task anew, and one that waits for its next attempt at once. */
    async retry(owner: Owner, id: string): Promise<Task> {
      const task = await find(owner, id)
      checkMayChange(owner, task)
      const isStanding = task.runId === null
      if (task.status === 'scheduled') {
        const events = [taskEvent(task, 'task.retried', {}, clock.now())]
        await db.commit({ guards: [guardTask(task)], writes: [queueDueTask(task)], events })
        offer(task)
      } else if (isStanding && (task.status === 'dead' || task.status === 'cancelled')) {
        const letter = await tasks.deadLetterOf(id)
        await restart(task, 'task.retried')
        if (letter) resolved(letter.id)
      } else {
        const why = isStanding
          ? `it is ${task.status}`
          : 'it is a step of a run, and its run has been told how it ended'
        throw taskErrors.task_not_retryable(
          `the task ${id} cannot be retried: ${why}; dead, cancelled and scheduled tasks can`,
        )
      }
      return find(owner, id)
    },

    async redrive(owner: Owner, id: string): Promise<DeadLetter> {
      const letter = await openLetter(owner, id)
      await restart(await deadTask(letter), 'task.redriven')
      resolved(letter.id)
      return { ...letter, status: 'redriven', resolvedAtMs: clock.now() }
    },

    /** For a redrive of many. */
    async redriveLetter(letter: DeadLetter): Promise<void> {
      await restart(await deadTask(letter), 'task.redriven')
      resolved(letter.id)
    },

    async discard(owner: Owner, id: string): Promise<DeadLetter> {
      const letter = await openLetter(owner, id)
      await discardLetter(letter)
      return { ...letter, status: 'discarded', resolvedAtMs: clock.now() }
    },

    /** Discards at most a thousand that fit and were there when it began, the newest first; says how many, and whether there are more. */
    async discardMany(owner: Owner, filter: DeadLetterChoice): Promise<{ count: number; hasMore: boolean }> {
      const untilMs = clock.now()
      const found = await tasks.deadLetters(owner, {
        ...{ ...filter, status: 'dead', isOwned: true, untilMs, limit: DISCARDED_MAX + 1 },
      })
      const ends = await Promise.allSettled(found.slice(0, DISCARDED_MAX).map(discardLetter))
      const failed = ends.find((end) => end.status === 'rejected' && !(end.reason instanceof AppError))
      if (failed?.status === 'rejected') throw failed.reason
      const count = ends.filter((end) => end.status === 'fulfilled').length
      return { count, hasMore: found.length > DISCARDED_MAX }
    },

    /** A letter with the task behind it. */
    async letter(owner: Owner, id: string): Promise<{ letter: DeadLetter; task: Task }> {
      const letter = await tasks.deadLetter(owner, id)
      if (!letter) throw taskErrors.dead_letter_not_found(`there is no dead letter ${id}`)
      return { letter, task: await find(owner, letter.taskId) }
    },
  }
}
