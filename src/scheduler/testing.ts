/** What the tests of schedules share: options with their defaults, and targets that are ended by hand. */
import { type Bus, makeLocalBus } from '../platform/bus/bus.ts'
import type { Clock } from '../platform/clock.ts'
import type { Database } from '../platform/db/database.ts'
import type { EventHub } from '../platform/events/hub.ts'
import { makeIdGenerator } from '../platform/ids.ts'
import { makeLog } from '../platform/log.ts'
import { makeScheduleService } from './service.ts'
import type { StartRequest, TargetState, Targets } from './targets.ts'
import type { ScheduleOptions } from './types.ts'

export const makeOptions = (options: Partial<ScheduleOptions> = {}): ScheduleOptions => ({
  startAtMs: null,
  endAtMs: null,
  maxFires: null,
  jitterMs: 0,
  overlap: 'skip',
  missed: 'fire-once',
  catchUpMs: 86_400_000,
  failing: { after: 3, pause: false },
  priority: 3,
  timeoutMs: null,
  ...options,
})

export interface HandTargets extends Targets {
  /** In the order of their starts; a repeated key starts nothing. */
  readonly started: StartRequest[]
  /** All calls of `start`, repeated ones included. */
  readonly calls: string[]
  readonly cancelled: string[]
  /** Ends what the n-th start has started. */
  end(index: number, state: TargetState): void
  /** Thrown by the next calls of `start`. */
  readonly faults: Error[]
  /** What starts next has ended at once, in this way. */
  endsAs: TargetState
}

/** Stands for the engine, with its promise that a key starts one thing. */
export const makeHandTargets = (): HandTargets => {
  const states = new Map<string, TargetState>()
  const targets: HandTargets = {
    started: [],
    calls: [],
    cancelled: [],
    faults: [],
    endsAs: 'open',
    end: (index, state) => void states.set((targets.started[index] as StartRequest).idempotencyKey, state),
    async start(request) {
      const fault = targets.faults.shift()
      if (fault) throw fault
      const { idempotencyKey: key } = request
      targets.calls.push(key)
      if (!states.has(key)) {
        states.set(key, targets.endsAs)
        targets.started.push(request)
      }
      return { kind: request.target.kind === 'task' ? 'task' : 'run', id: key }
    },
    stateOf: async (_, { id }) => states.get(id) ?? 'gone',
    async cancel(_, { id }) {
      targets.cancelled.push(id)
    },
  }
  return targets
}

export interface TestScheduleOptions {
  readonly db: Database
  readonly hub: EventHub
  readonly bus?: Bus
  readonly clock: Clock
  readonly targets: Targets
  readonly onFired?: (fact: { readonly latenessMs: number }) => void
  readonly keepFires?: number
  readonly keepMs?: number
  readonly gauges?: Map<string, () => number | Promise<number>>
}

/** Gauges are kept by name. */
export const makeTestSchedules = ({ onFired = () => {}, gauges = new Map(), ...options }: TestScheduleOptions) => {
  const service = makeScheduleService({
    bus: makeLocalBus(),
    lateMs: 60_000,
    keepFires: 1000,
    keepMs: 30 * 86_400_000,
    payloadLimitBytes: 262_144,
    ...options,
    makeId: makeIdGenerator(options.clock.now),
    log: makeLog('silent'),
  })
  service.addMetrics({
    histogram: () => (seconds) => onFired({ latenessMs: seconds * 1000 }),
    gauge: (name, _, read) => void gauges.set(name, read),
  })
  return service
}
