/** One attempt at a task: calls its code under time-out, deadline, heartbeat watch and abort. Knows nothing of the database. */

import type { Clock } from '../platform/clock.ts'
import { asError } from '../platform/errors.ts'
import type { Json } from '../platform/json.ts'
import { taskErrors } from './errors.ts'
import type { Task, TaskHandler } from './types.ts'

export interface Attempt {
  readonly task: Task
  /** Resolves with the output; rejects with what the code threw, or with the reason of the abort. */
  readonly result: Promise<Json>
  /** Ends the attempt with that error, whether its code listens or not. */
  abort(error: Error): void
}

export interface AttemptOptions {
  readonly task: Task
  readonly handler: () => Promise<TaskHandler>
  readonly clock: Clock
  readonly onProgress: (progress: Json) => void
}

export const startAttempt = ({ task, handler, clock, onProgress }: AttemptOptions): Attempt => {
  const controller = new AbortController()
  const { timeoutMs, heartbeatMs } = task.settings
  const disarms: (() => void)[] = []
  let reject: (error: Error) => void = () => {}
  let disarmHeartbeat = (): void => {}

  const abort = (error: Error): void => {
    reject(error)
    controller.abort(error)
  }

  const armHeartbeat = (): void => {
    // Where somebody else answers, the heartbeats are his, and watched once the attempt is over.
    if (heartbeatMs === undefined || task.settings.waitForToken) return
    disarmHeartbeat()
    disarmHeartbeat = clock.after(heartbeatMs, () =>
      abort(taskErrors.task_heartbeat_timeout(`no heartbeat came for ${heartbeatMs} ms`)),
    )
  }

  const call = {
    taskId: task.id,
    tenantId: task.tenantId,
    projectId: task.projectId,
    attempt: task.attempt,
    idempotencyKey: task.id,
    signal: controller.signal,
    heartbeat(progress?: Json) {
      if (controller.signal.aborted) return
      armHeartbeat()
      if (progress !== undefined) onProgress(progress)
    },
  }

  const run = async (): Promise<Json> => {
    const code = await handler()
    return code(task.input, call)
  }

  if (timeoutMs !== undefined) {
    disarms.push(
      clock.after(timeoutMs, () => abort(taskErrors.task_timeout(`the attempt took longer than ${timeoutMs} ms`))),
    )
  }
  if (task.deadlineAtMs !== null) {
    const message = `the deadline ${new Date(task.deadlineAtMs).toISOString()} has passed`
    disarms.push(clock.after(task.deadlineAtMs - clock.now(), () => abort(taskErrors.task_deadline_passed(message))))
  }
  armHeartbeat()

  const result = new Promise<Json>((resolve, rejectResult) => {
    reject = rejectResult
    run().then(resolve, (thrown: unknown) => rejectResult(asError(thrown)))
  }).finally(() => {
    disarmHeartbeat()
    for (const disarm of disarms) disarm()
  })
  return { task, result, abort }
}
