/** Schedules: made, changed, paused, fired by hand and for the past; and their life within this process. */
import { isDeepStrictEqual } from 'node:util'
import { makeSweeper, serialize } from '../engine/index.ts'
import type { Bus } from '../platform/bus/bus.ts'
import type { Clock } from '../platform/clock.ts'
import type { Database, Handle } from '../platform/db/database.ts'
import { isUniqueViolation } from '../platform/db/errors.ts'
import type { EventHub } from '../platform/events/hub.ts'
import type { MakeId } from '../platform/ids.ts'
import type { Json } from '../platform/json.ts'
import type { Log } from '../platform/log.ts'
import { checkMayChange, type Owner } from '../platform/scope.ts'
import type { Metrics } from '../platform/telemetry/metrics.ts'
import { makeChange, withNext } from './change.ts'
import { type DefinitionInput, type NewSchedule, readDefinition } from './definition.ts'
import { scheduleErrors } from './errors.ts'
import { type ScheduleEventType, tell } from './events.ts'
import { makeDrafts } from './fire.ts'
import { makeFiring } from './firing.ts'
import { makeHistory } from './history.ts'
import { type FireFilter, makeScheduleRepository, type ScheduleFilter } from './repository.ts'
import type { Targets } from './targets.ts'
import { dueAt, nextPlanned, preview } from './timing.ts'
import type { Fire, Overlap, Schedule, ScheduleDefinition } from './types.ts'

export interface ScheduleServiceOptions {
  readonly db: Database
  readonly hub: EventHub
  readonly bus: Bus
  readonly clock: Clock
  readonly makeId: MakeId
  readonly log: Log
  readonly targets: Targets
  /** Fires of one schedule that its history keeps, and for how long after their end. */
  readonly keepFires: number
  readonly keepMs: number
  /** A fire that starts so long after it was due is told of. */
  readonly lateMs: number
  readonly payloadLimitBytes: number
}

export interface TriggerRequest {
  /** Instead of the schedule's own. */
  readonly input?: Json | undefined
  readonly overlap?: Overlap | undefined
}

export interface BackfillRequest {
  /** Both included. */
  readonly fromMs: number
  readonly untilMs: number
  /** Default `queue-all`: one after the other. */
  readonly overlap?: Overlap | undefined
}

export interface PlannedTime {
  readonly plannedAtMs: number
  readonly dueAtMs: number
}

/** Fires that one call may ask for. */
const BACKFILL_MAX = 1000
const BACKFILL_AT_ONCE = 50
const LATENESS_SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600]

export const makeScheduleService = (options: ScheduleServiceOptions) => {
  const { db, clock, makeId, log } = options
  const schedules = makeScheduleRepository(db.primary)
  let observeLateness = (_seconds: number): void => {}
  const firing = makeFiring({
    ...options,
    onFired: ({ latenessMs }) => observeLateness(latenessMs / 1000),
    soon: () => sweeper.soon(),
  })
  const sweeper = makeSweeper({
    name: 'schedules',
    bus: options.bus,
    clock,
    nextAt: firing.nextMoment,
    sweep: firing.sweep,
    onError: (error) => log.error({ err: error }, 'the sweep of schedules failed'),
  })
  const history = makeHistory({
    ...options,
    onError: (error) => log.error({ err: error }, 'the history of schedules could not be tidied'),
  })
  let unlisten = (): void => {}

  const find = async (owner: Owner, name: string): Promise<Schedule> => {
    const schedule = await schedules.byName(owner, name)
    if (!schedule) throw scheduleErrors.schedule_not_found(`there is no schedule "${name}"`)
    return schedule
  }

  /** What it starts would refuse it at every fire. */
  const checkSize = (input: Json): void => void serialize(input, options.payloadLimitBytes, 'the input')

  /** A shared schedule is not fired by a key of a project either: what it starts belongs to the whole tenant. */
  const findToChange = async (owner: Owner, name: string): Promise<Schedule> => {
    const schedule = await find(owner, name)
    checkMayChange(owner, schedule)
    return schedule
  }

  const firstTime = (definition: ScheduleDefinition, nowMs: number): number => {
    const firstMs = nextPlanned(definition, nowMs)
    if (firstMs !== undefined) return firstMs
    throw scheduleErrors.schedule_never_fires('the timing holds no time in the future, between its start and its end')
  }

  /**
   * Changes a schedule while nobody else can; `change` may refuse by throwing. What the change lets out of the queue is due from the same
   * transaction on: nobody else would look for it.
   */
  const changeHeld = async (
    { id, name }: Schedule,
    type: ScheduleEventType,
    change: (held: Schedule, nowMs: number) => Schedule,
  ): Promise<Schedule> => {
    const nowMs = clock.now()
    const { changed, due } = await db.transaction(async (tx: Handle) => {
      const { repository, promote } = makeChange(tx, nowMs)
      const held = await repository.hold(id)
      if (!held) throw scheduleErrors.schedule_not_found(`there is no schedule "${name}"`)
      const next = { ...change(held, nowMs), updatedAtMs: nowMs }
      await repository.update(next)
      await tell(tx, type, next, nowMs)
      if (next.status === 'ended' && held.status !== 'ended') await tell(tx, 'schedule.ended', next, nowMs)
      return { changed: next, due: await promote(next) }
    })
    sweeper.soon()
    await firing.follow(changed, due)
    return changed
  }

  const create = async (tenantId: string, projectId: string | null, request: NewSchedule): Promise<Schedule> => {
    const { name, ...body } = request
    const nowMs = clock.now()
    const definition = readDefinition(body, nowMs)
    checkSize(definition.input)
    const firstMs = firstTime(definition, nowMs)
    const counts = { fires: 0, failures: 0, revision: 0 }
    const times = { nextPlannedMs: null, nextAtMs: null, createdAtMs: nowMs, updatedAtMs: nowMs }
    const blank = {
      id: makeId(),
      tenantId,
      projectId,
      name,
      status: 'active',
      ...definition,
      ...counts,
      ...times,
    } as const
    const schedule = withNext(blank, firstMs)
    try {
      await db.transaction(async (tx) => {
        await makeScheduleRepository(tx).add(schedule)
        await tell(tx, 'schedule.created', schedule, nowMs)
      })
    } catch (cause) {
      if (!isUniqueViolation(cause)) throw cause
      throw scheduleErrors.schedule_exists(`there is a schedule "${name}" already`, { cause })
    }
    sweeper.soon()
    return schedule
  }

  const update = async (
    owner: Owner,
    name: string,
    request: DefinitionInput,
    check?: (current: Schedule) => void,
  ): Promise<Schedule> => {
    const schedule = await findToChange(owner, name)
    check?.(schedule)
    const { timing, target, input, options: settings } = schedule
    const definition = readDefinition(request, clock.now(), schedule)
    checkSize(definition.input)
    if (isDeepStrictEqual(definition, { timing, target, input, options: settings })) return schedule
    return changeHeld(schedule, 'schedule.updated', (held, nowMs) => {
      check?.(held)
      const keepsTime = held.nextPlannedMs !== null && hasSameTimes(held, definition)
      const nextMs = keepsTime ? held.nextPlannedMs : firstTime(definition, nowMs)
      return withNext({ ...held, ...definition, failures: 0 }, nextMs)
    })
  }

  const trigger = async (owner: Owner, name: string, request: TriggerRequest = {}): Promise<Fire> => {
    const schedule = await findToChange(owner, name)
    checkSize(request.input ?? null)
    const nowMs = clock.now()
    const draft = makeDrafts(schedule, request.input)
    let plannedAtMs = nowMs
    // Who finds the time taken by another trigger takes the next one.
    for (; await schedules.byId(schedule.id); plannedAtMs++) {
      // A time that the timing asks for belongs to the fire it plans.
      while (nextPlanned(schedule, plannedAtMs - 1) === plannedAtMs || (await schedules.fire(schedule.id, plannedAtMs)))
        plannedAtMs++
      const fire = await draft({ plannedAtMs, cause: 'trigger', nowMs })
      const [added] = await firing.add(schedule, [fire], request.overlap ?? schedule.options.overlap)
      if (added) return (await schedules.fire(schedule.id, plannedAtMs)) ?? added
    }
    throw scheduleErrors.schedule_not_found(`there is no schedule "${name}" any more`)
  }

  const pastTimes = (schedule: Schedule, { fromMs, untilMs }: BackfillRequest): number[] => {
    const nowMs = clock.now()
    if (fromMs > untilMs || untilMs > nowMs) {
      throw scheduleErrors.backfill_range_invalid('"from" must not be after "until", and "until" not in the future')
    }
    // What an active schedule has still to claim is the sweep's.
    const isOurs = (ms: number): boolean => schedule.nextAtMs === null || ms < (schedule.nextPlannedMs ?? nowMs)
    const times = preview(schedule, fromMs - 1, BACKFILL_MAX + 1).filter((ms) => ms <= untilMs && isOurs(ms))
    if (times.length <= BACKFILL_MAX) return times
    throw scheduleErrors.backfill_too_large(
      `the range holds more than ${BACKFILL_MAX} planned times; ask for smaller ranges, one after the other`,
    )
  }

  return {
    /** Throws `schedule_exists`, `schedule_invalid` or `schedule_never_fires`. */
    create,
    /** Replaces the definition. A changed timing starts afresh from now; an unchanged one keeps what is still to be made up for. */
    update,
    /** Creates it, or updates it where the definition differs: for schedules kept in files. */
    async put(tenantId: string, request: NewSchedule): Promise<Schedule> {
      const { name, ...definition } = request
      if (await schedules.byName(tenantId, name)) return update(tenantId, name, definition)
      return create(tenantId, null, request)
    },
    /** Throws `schedule_not_found`. */
    find,
    /** Newest first. */
    list: (owner: Owner, filter: ScheduleFilter) => schedules.list(owner, filter),

    /** What it started goes on; what waits in its queue stays there. */
    async pause(owner: Owner, name: string): Promise<Schedule> {
      return changeHeld(await findToChange(owner, name), 'schedule.paused', (held) => {
        if (held.status === 'active') return { ...held, status: 'paused', nextAtMs: null }
        throw scheduleErrors.schedule_not_active(`the schedule "${name}" cannot be paused: it is ${held.status}`)
      })
    },
    /** The times that passed in between are missed ones. */
    async resume(owner: Owner, name: string): Promise<Schedule> {
      return changeHeld(await findToChange(owner, name), 'schedule.resumed', (held) => {
        if (held.status === 'paused') return withNext({ ...held, status: 'active', failures: 0 }, held.nextPlannedMs)
        throw scheduleErrors.schedule_not_paused(`the schedule "${name}" cannot be resumed: it is ${held.status}`)
      })
    },
    /** With its history. What it started goes on. */
    async remove(owner: Owner, name: string, check?: (current: Schedule) => void): Promise<void> {
      const schedule = await findToChange(owner, name)
      await db.transaction(async (tx) => {
        const repository = makeScheduleRepository(tx)
        const held = await repository.hold(schedule.id)
        if (!held) return
        check?.(held)
        await repository.remove(held)
        await tell(tx, 'schedule.deleted', held, clock.now())
      })
    },

    /** Fires it now, whether it is paused or not; the overlap policy holds. The answer is the fire as it has become. */
    trigger,
    /** Fires the planned times of a range of the past that have not fired. Answers how many were added. */
    async backfill(owner: Owner, name: string, request: BackfillRequest): Promise<{ count: number }> {
      const schedule = await findToChange(owner, name)
      const nowMs = clock.now()
      const times = pastTimes(schedule, request)
      const draft = makeDrafts(schedule)
      let count = 0
      // In parts: an input may be large, and others want the database, too. What a failure leaves out can be asked for again.
      while (times.length > 0) {
        const drafts: Fire[] = []
        for (const plannedAtMs of times.splice(0, BACKFILL_AT_ONCE))
          drafts.push(await draft({ plannedAtMs, cause: 'backfill', nowMs }))
        const added = await firing.add(schedule, drafts, request.overlap ?? 'queue-all')
        count += added.filter(({ status }) => status !== 'skipped').length
      }
      return { count }
    },
    /** The next planned times of a schedule. */
    async preview(owner: Owner, name: string, count: number, fromMs?: number): Promise<PlannedTime[]> {
      const schedule = await find(owner, name)
      const { maxFires, jitterMs } = schedule.options
      const left = maxFires === null ? count : Math.max(0, Math.min(count, maxFires - schedule.fires))
      const afterMs = fromMs === undefined ? clock.now() : fromMs - 1
      return preview(schedule, afterMs, left).map((plannedAtMs) => {
        return { plannedAtMs, dueAtMs: dueAt(schedule.id, plannedAtMs, jitterMs) }
      })
    },
    /** The same of a definition that is not stored. */
    previewOf(request: DefinitionInput, count: number, fromMs?: number): number[] {
      const nowMs = clock.now()
      const definition = readDefinition(request, nowMs)
      const most = Math.min(count, definition.options.maxFires ?? count)
      return preview(definition, fromMs === undefined ? nowMs : fromMs - 1, most)
    },
    /** Last planned first. */
    async fires(owner: Owner, name: string, filter: FireFilter): Promise<Fire[]> {
      const { tenantId, id } = await find(owner, name)
      return schedules.listFires(tenantId, id, filter)
    },

    addMetrics({ gauge, histogram }: Pick<Metrics, 'gauge' | 'histogram'>): void {
      const name = 'aidos_schedule_lateness_seconds'
      observeLateness = histogram(name, 'How long after it was due a fire started, here.', LATENESS_SECONDS)
      gauge(
        'aidos_schedule_oldest_due_seconds',
        'How long the schedule is due that nobody has claimed for longest; 0: none is.',
        async () => {
          const nowMs = clock.now()
          const oldestMs = await schedules.oldestDueMs(nowMs)
          return oldestMs === undefined ? 0 : (nowMs - oldestMs) / 1000
        },
      )
    },

    /** From now on due schedules fire by themselves. */
    async start(): Promise<void> {
      unlisten = firing.listen()
      await sweeper.start()
    },
    stop(): void {
      sweeper.stop()
      unlisten()
    },
    /** Removes what is too old or too much of the history, as a duty of one process. */
    history,
    /** One look at all that is due, as `start()` makes them by itself. */
    sweep: () => firing.sweep(clock.now()),
  }
}

const hasSameTimes = (a: ScheduleDefinition, b: ScheduleDefinition): boolean =>
  isDeepStrictEqual(a.timing, b.timing) &&
  a.options.startAtMs === b.options.startAtMs &&
  a.options.endAtMs === b.options.endAtMs

export type ScheduleService = ReturnType<typeof makeScheduleService>
