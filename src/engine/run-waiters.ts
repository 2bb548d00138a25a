/**
 * Callers that wait for a run to end. The process that carries the run tells the one that made it, whoever else waits follows the
 * run's events, and all look at the row from time to time: whoever was to tell may have died.
 */
import { LRUCache } from 'lru-cache'
import type { Bus } from '../platform/bus/bus.ts'
import type { Clock } from '../platform/clock.ts'
import type { EventHub } from '../platform/events/hub.ts'
import { isFinal, type Run } from './types.ts'

export interface RunWaiters {
  /** The run when it has ended or stopped, or as it is after `timeoutMs`. */
  wait(tenantId: string, runId: string, timeoutMs: number): Promise<Run>
  /** A run was made here for others to carry: whoever does tells us of the end. */
  handedOn(runId: string): void
  /** A run came here to be carried: that process is to hear of its end. */
  askedBy(asker: string, runId: string): void
  /** A run ended or stopped here. */
  ended(run: Run): void
}

export interface RunWaitersOptions {
  readonly bus: Bus
  readonly hub: EventHub
  readonly clock: Clock
  readonly workerId: string
  /** The run of that tenant; throws when there is none. */
  find(tenantId: string, runId: string): Promise<Run>
  /** The run is in the memory of this process. */
  isHere(runId: string): boolean
}

/** Events after which nobody need wait for a run any more. */
const ENDS: ReadonlySet<string> = new Set([
  'run.completed',
  'run.failed',
  'run.cancelled',
  'run.timed_out',
  'run.stopped',
])
/** Runs whose end somebody elsewhere may wait for. */
const ASKERS_MAX = 10_000
const ENDED = 'run:ended'
/** The end of a run that nobody told of is found so late at most. */
const LOOK_AGAIN_MS = 2000

export const makeRunWaiters = ({ bus, hub, clock, workerId, find, isHere }: RunWaitersOptions): RunWaiters => {
  const waiters = new Map<string, Set<(run: Run | undefined) => void>>()
  /** Who is to hear of the end of a run that was handed to this process. */
  const askers = new LRUCache<string, string>({ max: ASKERS_MAX })
  const handedOn = new LRUCache<string, true>({ max: ASKERS_MAX })

  const isOver = ({ status }: Run): boolean => isFinal(status) || status === 'stopped'

  bus.on(ENDED, (runId) => {
    for (const tell of waiters.get(runId as string) ?? []) tell(undefined)
  })

  /** Whoever was to tell of the end may have died. The returned function ends it. */
  const lookAgain = (tenantId: string, runId: string, found: () => void): (() => void) => {
    let disarm = (): void => {}
    const arm = (): void => {
      disarm = clock.after(LOOK_AGAIN_MS, () => {
        find(tenantId, runId).then(
          (run) => (isOver(run) ? found() : arm()),
          () => arm(),
        )
      })
    }
    arm()
    return () => disarm()
  }

  return {
    async wait(tenantId, runId, timeoutMs) {
      const { promise: ended, resolve: tell } = Promise.withResolvers<Run | undefined>()
      const listeners = waiters.get(runId) ?? new Set()
      waiters.set(runId, listeners.add(tell))
      const cancelTimer = clock.after(timeoutMs, () => tell(undefined))
      // It may end in another process.
      const isTold = !bus.isShared || handedOn.has(runId)
      const unsubscribe = isTold ? undefined : hub.subscribe({ runId }, ({ type }) => ENDS.has(type) && tell(undefined))
      const disarmLooks = bus.isShared ? lookAgain(tenantId, runId, () => tell(undefined)) : undefined
      try {
        if (!isTold) await hub.settled()
        if (!isHere(runId)) {
          const run = await find(tenantId, runId)
          if (isOver(run)) return run
        }
        const run = await ended
        return run?.tenantId === tenantId ? run : await find(tenantId, runId)
      } finally {
        cancelTimer()
        unsubscribe?.()
        disarmLooks?.()
        listeners.delete(tell)
        if (listeners.size === 0 && waiters.get(runId) === listeners) waiters.delete(runId)
      }
    },
    handedOn: (runId) => void handedOn.set(runId, true),
    askedBy: (asker, runId) => void askers.set(runId, asker),
    ended(run) {
      for (const tell of waiters.get(run.id) ?? []) tell(run)
      waiters.delete(run.id)
      const asker = askers.get(run.id)
      askers.delete(run.id)
      if (asker !== undefined && asker !== workerId) bus.send(asker, ENDED, run.id)
    },
  }
}
