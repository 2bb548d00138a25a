/**
 * Hands the end of a run's task to the process that carries the run, which commits it together with what follows from it: one
 * transaction instead of two, and nothing to read back. Should that process not answer, the end is committed by who did the task.
 */
import { LRUCache } from 'lru-cache'
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
/** Who has not answered is handed nothing for so long, unless he answers after all: he may be of a version that knows nothing of this. */
const SILENT_MS = 60_000
const SILENT_MAX = 1000
/** An end is handed once. A wire may bring a message twice when a connection broke. */
const SEEN_MAX = 10_000
const ENDED = 'tasks:ended'
const SETTLED = 'tasks:settled'

export const makeEndHandover = ({ bus, clock, inbox }: EndHandoverOptions): EndHandover => {
  /** By task and fence: an end that was refused must not answer for the next owner's. */
  const open = new Map<string, { readonly holder: string; answer(isDurable: boolean): void }>()
  /** Until when they are handed nothing. */
  const silentUntilMs = new LRUCache<string, number>({ max: SILENT_MAX })

  const keyOf = (taskId: string, fence: number): string => `${taskId}:${fence}`

  bus.on(SETTLED, (message, from) => {
    const [key, isDurable] = message as [string, boolean]
    silentUntilMs.delete(from)
    open.get(key)?.answer(isDurable)
  })
  bus.onLeft((peer) => {
    for (const { holder, answer } of [...open.values()]) if (holder === peer) answer(false)
  })
  bus.onGap(() => {
    for (const { answer } of [...open.values()]) answer(false)
  })

  const seen = new LRUCache<string, true>({ max: SEEN_MAX })
  bus.on(ENDED, (message, from) => {
    const { taskId, fence, runId, stepKey, end, events } = message as unknown as HandedEnd
    if (seen.has(keyOf(taskId, fence))) return
    seen.set(keyOf(taskId, fence), true)
    const answer = (isDurable: boolean): void => bus.send(from, SETTLED, [keyOf(taskId, fence), isDurable])
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
    async hand(holder, end) {
      if (!bus.knows(holder) || clock.now() < (silentUntilMs.get(holder) ?? 0)) return false
      const key = keyOf(end.taskId, end.fence)
      const { promise, resolve } = Promise.withResolvers<boolean>()
      const answer = (isDurable: boolean): void => {
        disarm()
        open.delete(key)
        resolve(isDurable)
      }
      const disarm = clock.after(PATIENCE_MS, () => {
        silentUntilMs.set(holder, clock.now() + SILENT_MS)
        answer(false)
      })
      open.set(key, { holder, answer })
      bus.send(holder, ENDED, end as unknown as Json)
      return promise
    },
  }
}
