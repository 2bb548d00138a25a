/**
 * What makes schedules fire, exactly once each, however many processes do this at once: a time is claimed in a transaction that holds the
 * schedule, and started afterwards under a key of its own. Whoever dies in between is healed by the next to look.
 */
import { LRUCache } from 'lru-cache'
import { type ErrorRecord, toErrorRecord } from '../engine/index.ts'
import type { Bus } from '../platform/bus/bus.ts'
import type { Clock } from '../platform/clock.ts'
import type { Database } from '../platform/db/database.ts'
import { AppError } from '../platform/errors.ts'
import type { Event } from '../platform/events/event.ts'
import type { EventHub } from '../platform/events/hub.ts'
import type { Log } from '../platform/log.ts'
import { type Admitted, endedFire, makeChange, refData, withNext } from './change.ts'
import { tell } from './events.ts'
import { fireKey, makeDrafts, missedFire, START_WITHIN_MS } from './fire.ts'
import { SUPERSEDES } from './overlap.ts'
import { planFires } from './plan.ts'
import { makeScheduleRepository } from './repository.ts'
import { makeSharedTransaction } from './shared-transaction.ts'
import type { Targets } from './targets.ts'
import { dueAt } from './timing.ts'
import type { Fire, Overlap, Schedule } from './types.ts'

export interface FiringOptions {
  readonly db: Database
  readonly hub: EventHub
  readonly bus: Bus
  readonly clock: Clock
  readonly log: Log
  readonly targets: Targets
  /** A fire that starts later than this is told of. */
  readonly lateMs: number
  /** Told of each fire that started: how long after it was due. */
  readonly onFired: (fact: { readonly latenessMs: number }) => void
  /** Something falls due before the next look. */
  readonly soon: () => void
}

/** Rows read by one sweep. Where others sweep too, few: what one has taken the others cannot help with. */
const BATCH = { alone: 200, shared: 8 }
/** What a sweep has taken others leave alone for so long; a guard at the claim, not this, keeps it from firing twice. */
const TAKEN_MS = 1_000
/** Of those, how many are worked on at a time. */
const AT_A_TIME = { alone: 16, shared: 8 }
/** Tries of one sweep to claim a schedule that others change at the same moment. */
const CLAIM_TRIES = 3
/** A schedule that cannot be claimed stands back for so long. */
const STAND_BACK_MS = 5_000
/** Between two looks at what a fire has started, when no event tells of its end: as long as half its age, within these. */
const LOOK_MS = { least: 5_000, most: 300_000 }
const START_TRIES_MAX = 20
const RETRY_MS = { least: 1_000, most: 300_000 }
const STARTED_LOOKED_AT = 100
const WATCHED_MAX = 10_000
const ENDED_KEPT = 1_000

const ENDS: ReadonlySet<string> = new Set([
  'run.completed',
  'run.failed',
  'run.cancelled',
  'run.timed_out',
  'task.completed',
  'task.dead',
  'task.cancelled',
])

const between = (ms: number, { least, most }: typeof LOOK_MS): number => Math.min(Math.max(Math.round(ms), least), most)

/** Whether another try cannot help. */
const isRefusal = (error: unknown): boolean => error instanceof AppError && error.status < 500 && !error.retryable

export const makeFiring = ({ db, hub, bus, clock, log, targets, lateMs, onFired, soon }: FiringOptions) => {
  const repository = makeScheduleRepository(db.primary)
  /** What fires of this process started, by id. */
  const watched = new LRUCache<string, Fire>({
    max: WATCHED_MAX,
    dispose(_, id, reason) {
      if (reason === 'set') return
      unsubscribes.get(id)?.()
      unsubscribes.delete(id)
    },
  })
  const unsubscribes = new Map<string, () => void>()
  /** Ends that nobody waited for yet: a quick run ends before its fire is marked as started. */
  const endedEarly = new LRUCache<string, true>({ max: ENDED_KEPT })

  /** Several schedulers over one database take what is due from each other's way; a process that has it to itself just reads. */
  const take = db.isExclusive
    ? {
        most: BATCH.alone,
        atATime: AT_A_TIME.alone,
        wakingFires: (nowMs: number) => repository.wakingFires(nowMs, BATCH.alone),
        dueSchedules: (nowMs: number) => repository.dueSchedules(nowMs, BATCH.alone),
      }
    : {
        most: BATCH.shared,
        atATime: AT_A_TIME.shared,
        wakingFires: (nowMs: number) => repository.takeWakingFires(nowMs, BATCH.shared, clock.now() + START_WITHIN_MS),
        dueSchedules: (nowMs: number) => repository.takeDueSchedules(nowMs, BATCH.shared, clock.now() + TAKEN_MS),
      }

  // PostgreSQL commits side by side, and a transaction of many rows would stand in other processes' way.
  const transaction: ReturnType<typeof makeSharedTransaction> = db.isExclusive
    ? makeSharedTransaction(db)
    : (work) => db.transaction(work)

  const report = (what: string, error: unknown, scheduleId: string): void => log.error({ err: error, scheduleId }, what)

  // ---- start --------------------------------------------------------------------------------------------------------------------

  const launch = async (schedule: Schedule, fire: Fire): Promise<void> => {
    if (fire.request === null) return
    const { tenantId, projectId } = schedule
    const idempotencyKey = fireKey(fire.scheduleId, fire.plannedAtMs)
    try {
      const ref = await targets.start({ ...fire.request, tenantId, projectId, idempotencyKey })
      await started(schedule, fire, ref)
    } catch (error) {
      await notStarted(fire, error)
    }
  }

  const started = async (schedule: Schedule, fire: Fire, ref: NonNullable<Fire['ref']>): Promise<void> => {
    const nowMs = clock.now()
    const latenessMs = Math.max(0, nowMs - fire.dueAtMs)
    const now: Fire = {
      ...fire,
      status: 'started',
      ref,
      request: null,
      startedAtMs: nowMs,
      wakeAtMs: nowMs + LOOK_MS.least,
    }
    const isMine = await transaction(async (tx) => {
      if (!(await makeScheduleRepository(tx).moveFire('due', now))) return false
      const { plannedAtMs, cause } = fire
      const data = { plannedAtMs, cause, latenessMs, ...refData(now) }
      await tell(tx, 'schedule.fired', schedule, nowMs, data)
      if (latenessMs >= lateMs) await tell(tx, 'schedule.late', schedule, nowMs, data)
      return true
    })
    if (!isMine) return
    onFired({ latenessMs })
    watched.set(ref.id, now)
    if (bus.isShared) await listenElsewhere(now, ref)
    else if (endedEarly.delete(ref.id)) await look(now)
  }

  /** What was started may run, and end, in another process. */
  const listenElsewhere = async (fire: Fire, { kind, id }: NonNullable<Fire['ref']>): Promise<void> => {
    unsubscribes.set(id, hub.subscribe(kind === 'run' ? { runId: id } : { taskId: id }, heard))
    await hub.settled()
    if ((await targets.stateOf(fire.tenantId, { kind, id })) !== 'open') await look(fire)
  }

  const notStarted = async (fire: Fire, error: unknown): Promise<void> => {
    if (isRefusal(error) || fire.tries + 1 >= START_TRIES_MAX) {
      await settle(fire, 'failed', { error: toErrorRecord(error) })
      return
    }
    report('a fire could not be started; it is tried again', error, fire.scheduleId)
    const tries = fire.tries + 1
    const wakeAtMs = clock.now() + between(RETRY_MS.least * 2 ** (tries - 1), RETRY_MS)
    await transaction((tx) => makeScheduleRepository(tx).moveFire('due', { ...fire, tries, wakeAtMs }))
    soon()
  }

  /** Starts what a change has made due, and calls off what has been superseded. One that fails leaves the others alone: a sweep heals it. */
  const follow = async (schedule: Schedule, due: readonly Fire[], supersedes = false): Promise<void> => {
    for (const fire of due) {
      await launch(schedule, fire).catch((error: unknown) => report('a fire was not started', error, schedule.id))
    }
    if (supersedes) {
      await callOff(schedule).catch((error: unknown) => report('a fire was not called off', error, schedule.id))
    }
  }

  // ---- end ----------------------------------------------------------------------------------------------------------------------

  const settle = async (
    fire: Fire,
    status: 'completed' | 'failed' | 'cancelled',
    more: { reason?: string; error?: ErrorRecord } = {},
  ): Promise<void> => {
    if (fire.ref) watched.delete(fire.ref.id)
    const nowMs = clock.now()
    const settled = await transaction(async (tx) => {
      const change = makeChange(tx, nowMs)
      const held = await change.repository.hold(fire.scheduleId)
      const schedule = held && (await change.settle(held, fire, endedFire(fire, status, nowMs, more)))
      if (!schedule) return undefined
      await change.repository.update(schedule)
      return { schedule, due: await change.promote(schedule) }
    })
    if (settled) await follow(settled.schedule, settled.due)
  }

  /** Looks whether what a fire started has ended. */
  const look = async (fire: Fire): Promise<void> => {
    if (fire.ref === null) return
    const state = await targets.stateOf(fire.tenantId, fire.ref)
    if (state === 'gone') return settle(fire, 'cancelled', { reason: 'gone' })
    if (state !== 'open') return settle(fire, state)
    if (await isSuperseded(fire)) return callOffOne(fire)
    const nowMs = clock.now()
    const wakeAtMs = nowMs + between((nowMs - (fire.startedAtMs ?? nowMs)) / 2, LOOK_MS)
    const isOpen = await transaction((tx) => makeScheduleRepository(tx).moveFire('started', { ...fire, wakeAtMs }))
    // Whoever started it may be gone: from now on its end is heard here.
    if (!isOpen || !bus.isShared || unsubscribes.has(fire.ref.id)) return
    watched.set(fire.ref.id, fire)
    await listenElsewhere(fire, fire.ref)
  }

  /** What waits is to take its place, and whoever should have called it off died before, or came before it was started. */
  const isSuperseded = async (fire: Fire): Promise<boolean> => {
    if (fire.reason !== null) return false
    const schedule = await repository.byId(fire.scheduleId)
    return schedule !== undefined && (await repository.firstQueued(schedule, SUPERSEDES)) !== undefined
  }

  const callOffOne = async (fire: Fire): Promise<void> => {
    if (fire.ref === null) return
    await targets.cancel(fire.tenantId, fire.ref)
    const marked: Fire = { ...fire, reason: 'superseded', wakeAtMs: clock.now() + LOOK_MS.least }
    await transaction((tx) => makeScheduleRepository(tx).moveFire('started', marked))
    watched.set(fire.ref.id, marked)
    if ((await targets.stateOf(fire.tenantId, fire.ref)) !== 'open') await look(marked)
  }

  const callOff = async (schedule: Schedule): Promise<void> => {
    for (const fire of await repository.openFires(schedule.id, 'started', STARTED_LOOKED_AT)) await callOffOne(fire)
  }

  const heard = (event: Event): void => {
    if (!ENDS.has(event.type)) return
    const isRun = event.type.startsWith('run.')
    // Tasks of runs are the runs' own affair.
    const id = isRun ? event.runId : event.runId === null ? event.taskId : null
    if (id === null) return
    const fire = watched.get(id)
    if (!fire) endedEarly.set(id, true)
    else look(fire).catch((error: unknown) => report('the end of a fire was not recorded', error, fire.scheduleId))
  }

  // ---- claim --------------------------------------------------------------------------------------------------------------------

  /** What has ended without our knowing must not stand in the way of a new fire. True: something was settled. */
  const settleEnded = async (schedule: Schedule): Promise<boolean> => {
    if (schedule.options.overlap === 'allow') return false
    let hasSettled = false
    for (const fire of await repository.openFires(schedule.id, 'started', STARTED_LOOKED_AT)) {
      if (fire.ref === null || (await targets.stateOf(fire.tenantId, fire.ref)) === 'open') continue
      await look(fire)
      hasSettled = true
    }
    return hasSettled
  }

  /** False: somebody else has claimed, settled or changed something since `seen` was read, so that a plan made of it may be wrong. */
  const tryClaim = async (seen: Schedule): Promise<boolean> => {
    const schedule = (await settleEnded(seen)) ? await repository.byId(seen.id) : seen
    const nowMs = clock.now()
    if (!schedule || !isDue(schedule, nowMs)) return true
    const plan = planFires(schedule, nowMs)
    const drafts: Fire[] = []
    const draft = makeDrafts(schedule)
    for (const plannedAtMs of plan.fire) drafts.push(await draft({ plannedAtMs, cause: 'planned', nowMs }))

    const claimed = await transaction(async (tx): Promise<Admitted | undefined> => {
      const change = makeChange(tx, nowMs)
      const held = await change.repository.hold(schedule.id, schedule.revision)
      if (!held) return undefined
      if (plan.missed) {
        await change.repository.addFire(missedFire(held, plan.missed, nowMs))
        const { fromMs, untilMs, count } = plan.missed
        await tell(tx, 'schedule.skipped', held, nowMs, { reason: 'missed', plannedAtMs: fromMs, untilMs, count })
      }
      const admitted = await change.admit(held, drafts, held.options.overlap)
      const next = withNext(admitted.schedule, plan.nextPlannedMs)
      await change.repository.update(next)
      if (next.status === 'ended') await tell(tx, 'schedule.ended', next, nowMs)
      return { ...admitted, schedule: next }
    })
    if (claimed) await follow(claimed.schedule, claimed.due, claimed.supersedes)
    return claimed !== undefined
  }

  const claim = async (due: Schedule): Promise<void> => {
    let schedule: Schedule | undefined = due
    for (let tries = 0; schedule && tries < CLAIM_TRIES; tries++) {
      if (await tryClaim(schedule)) return
      schedule = await repository.byId(due.id)
    }
    if (schedule) soon()
  }

  const claimSafely = async (schedule: Schedule): Promise<void> => {
    try {
      await claim(schedule)
    } catch (error) {
      report('a schedule could not be claimed', error, schedule.id)
      await transaction((tx) => makeScheduleRepository(tx).postpone(schedule, clock.now() + STAND_BACK_MS))
    }
  }

  const wake = async (fire: Fire): Promise<void> => {
    if (fire.status === 'started') return look(fire)
    if (fire.status !== 'due') return
    const schedule = await repository.byId(fire.scheduleId)
    if (schedule) await launch(schedule, fire)
  }

  const wakeSafely = (fire: Fire): Promise<void> =>
    wake(fire).catch((error: unknown) => report('a fire could not be looked at', error, fire.scheduleId))

  return {
    /** Adds fires that the timing did not ask for. The schedule must have been read before its drafts were made. */
    async add(schedule: Schedule, drafts: readonly Fire[], overlap: Overlap): Promise<readonly Fire[]> {
      await settleEnded({ ...schedule, options: { ...schedule.options, overlap } })
      const nowMs = clock.now()
      const added = await db.transaction(async (tx) => {
        const change = makeChange(tx, nowMs)
        const held = await change.repository.hold(schedule.id)
        if (!held) return undefined
        const admitted = await change.admit(held, drafts, overlap)
        await change.repository.update(admitted.schedule)
        return admitted
      })
      if (!added) return []
      await follow(added.schedule, added.due, added.supersedes)
      soon()
      return added.fires
    },
    follow,
    /** One look at all that is due. */
    async sweep(nowMs: number): Promise<void> {
      // What has ended makes room for what is due, and the two would only wait for each other.
      const fires = await take.wakingFires(nowMs)
      await inParallel(
        fires.map((fire) => () => wakeSafely(fire)),
        take.atATime,
      )
      const schedules = await take.dueSchedules(nowMs)
      await inParallel(
        schedules.map((schedule) => () => claimSafely(schedule)),
        take.atATime,
      )
      // What was left over, or became due while this batch was worked on.
      const isFull = schedules.length === take.most || fires.length === take.most
      if (isFull || (await repository.oldestDueMs(clock.now())) !== undefined) soon()
    },
    nextMoment: (nowMs: number) => repository.nextMoment(nowMs),
    /** Learns of the ends of runs and tasks in this process, where that is all there are. The returned function ends it. */
    listen: () => (bus.isShared ? () => watched.clear() : hub.subscribe({}, heard)),
  }
}

/** Told by its planned time, since whoever takes a schedule moves its `nextAtMs`. */
const isDue = ({ id, nextPlannedMs, nextAtMs, options }: Schedule, nowMs: number): boolean =>
  nextAtMs !== null && nextPlannedMs !== null && dueAt(id, nextPlannedMs, options.jitterMs) <= nowMs

const inParallel = async (jobs: readonly (() => Promise<void>)[], atATime: number): Promise<void> => {
  const rest = jobs.values()
  const worker = async (): Promise<void> => {
    for (const job of rest) await job()
  }
  await Promise.all(Array.from({ length: Math.min(atATime, jobs.length) }, worker))
}
