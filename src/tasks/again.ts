/** Tasks that ended are made again: by hand, or as dead letters one by one and by filter; or their dead letters are discarded. */
import type { Clock } from '../platform/clock.ts'
import type { Database } from '../platform/db/database.ts'
import { taskErrors } from './errors.ts'
import { taskEvent } from './outcome.ts'
import type { TaskRepository } from './repository.ts'
import { guardTask, queueDueTask, resolveDeadLetter, restartTask } from './rows.ts'
import type { DeadLetter, Task } from './types.ts'

export interface AgainOptions {
  readonly db: Database
  readonly clock: Clock
  readonly tasks: TaskRepository
  find(tenantId: string, id: string): Promise<Task>
  /** A task is queued again. */
  offer(task: Task): void
}

/** Letters redriven at a time. */
const PAGE = 500

export const makeAgain = ({ db, clock, tasks, find, offer }: AgainOptions) => {
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

  const openLetter = async (tenantId: string, id: string): Promise<DeadLetter> => {
    const letter = await tasks.deadLetter(tenantId, id)
    if (!letter) throw taskErrors.dead_letter_not_found(`there is no dead letter ${id}`)
    if (letter.status === 'dead') return letter
    throw taskErrors.dead_letter_resolved(`the dead letter ${id} is ${letter.status} already`)
  }

  return {
    /** Tries a dead or cancelled task anew, and one that waits for its next attempt at once. */
    async retry(tenantId: string, id: string): Promise<Task> {
      const task = await find(tenantId, id)
      const isStanding = task.runId === null
      if (task.status === 'scheduled') {
        const events = [taskEvent(task, 'task.retried', {}, clock.now())]
        await db.commit({ guards: [guardTask(task)], writes: [queueDueTask(id)], events })
        offer(task)
      } else if (isStanding && (task.status === 'dead' || task.status === 'cancelled')) {
        await restart(task, 'task.retried')
      } else {
        const why = isStanding
          ? `it is ${task.status}`
          : 'it is a step of a run, and its run has been told how it ended'
        throw taskErrors.task_not_retryable(
          `the task ${id} cannot be retried: ${why}; dead, cancelled and scheduled tasks can`,
        )
      }
      return find(tenantId, id)
    },

    async redrive(tenantId: string, id: string): Promise<DeadLetter> {
      const letter = await openLetter(tenantId, id)
      await restart(await find(tenantId, letter.taskId), 'task.redriven')
      return { ...letter, status: 'redriven', resolvedAtMs: clock.now() }
    },

    /** Redrives all that fit and were there when it began (they may fail again at once), and says how many. */
    async redriveMany(
      tenantId: string,
      filter: { kind?: string | undefined; reason?: string | undefined },
    ): Promise<number> {
      const untilMs = clock.now()
      let count = 0
      let before: string | undefined
      for (;;) {
        const letters = await tasks.deadLetters(tenantId, { ...filter, status: 'dead', untilMs, before, limit: PAGE })
        const done = await Promise.allSettled(
          letters.map(async (letter) => restart(await find(tenantId, letter.taskId), 'task.redriven')),
        )
        count += done.filter((result) => result.status === 'fulfilled').length
        before = letters.at(-1)?.id
        if (letters.length < PAGE) return count
      }
    },

    async discard(tenantId: string, id: string): Promise<DeadLetter> {
      const letter = await openLetter(tenantId, id)
      const task = await find(tenantId, letter.taskId)
      const nowMs = clock.now()
      await db.commit({
        guards: [guardTask(task)],
        writes: [resolveDeadLetter(task.id, 'discarded', nowMs)],
        events: [taskEvent(task, 'task.discarded', {}, nowMs)],
      })
      return { ...letter, status: 'discarded', resolvedAtMs: nowMs }
    },
  }
}
