/**
 * Hands the end of a run's task to the process that carries the run, which commits it together with what follows from it: one
 * transaction instead of two, and nothing to read back. Should that process not answer, the end is committed by who did the task.
 */
import type { RunInbox } from '../engine/index.ts'
import type { Bus } from '../platform/bus/bus.ts'
import type { Clock } from '../platform/clock.ts'
import type { NewEvent } from '../platform/events/event.ts'
import type { Json } from '../platform/json.ts'
import { finishTask, guardTask, type TaskEnd } from './rows.ts'

/** All that the end of a task of a run consists of. */
export interface HandedEnd {
  readonly taskId: string
  readonly fence: number
  readonly runId: string
  readonly stepKey: string
  readonly end: TaskEnd
  readonly events: readonly NewEvent[]
}

export interface EndHandoverOptions {
  readonly bus: Bus
  readonly clock: Clock
  readonly inbox: () => RunInbox
}

export interface EndHandover {
  /** True: the end is durable. False: it is not, as far as is known, and the caller commits it. */
  hand(holder: string, end: HandedEnd): Promise<boolean>
}

/** Who has not answered by then may have ended, or its database is slow. */
const PATIENCE_MS = 5000
const ENDED = 'tasks:ended'
const SETTLED = 'tasks:settled'

export const makeEndHandover = ({ bus, clock, inbox }: EndHandoverOptions): EndHandover => {
  const open = new Map<string, { readonly holder: string; answer(isDurable: boolean): void }>()

  bus.on(SETTLED, (message) => {
    const [taskId, isDurable] = message as [string, boolean]
    open.get(taskId)?.answer(isDurable)
  })
  bus.onLeft((peer) => {
    for (const { holder, answer } of [...open.values()]) if (holder === peer) answer(false)
  })
  bus.onGap(() => {
    for (const { answer } of [...open.values()]) answer(false)
  })

  bus.on(ENDED, (message, from) => {
    const { taskId, fence, runId, stepKey, end, events } = message as unknown as HandedEnd
    const answer = (isDurable: boolean): void => bus.send(from, SETTLED, [taskId, isDurable])
    const isTaken = inbox().offer({
      ...{ runId, taskId, stepKey, events },
      outcome: end.status === 'completed' ? 'ok' : 'error',
      value: end.outputText === null ? (end.error as unknown as Json) : (JSON.parse(end.outputText) as Json),
      guards: [guardTask({ id: taskId, fence })],
      writes: [finishTask(taskId, end)],
      committed: () => answer(true),
      failed: () => answer(false),
    })
    if (!isTaken) answer(false)
  })

  return {
    hand(holder, end) {
      const { promise, resolve } = Promise.withResolvers<boolean>()
      const answer = (isDurable: boolean): void => {
        disarm()
        open.delete(end.taskId)
        resolve(isDurable)
      }
      const disarm = clock.after(PATIENCE_MS, () => answer(false))
      open.set(end.taskId, { holder, answer })
      bus.send(holder, ENDED, end as unknown as Json)
      return promise
    },
  }
}
