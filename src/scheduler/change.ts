/** Changes of a schedule that is held by a transaction: admitting fires, counting outcomes, letting the queue move on. */
import type { ErrorRecord } from '../engine/index.ts'
import type { Handle } from '../platform/db/database.ts'
import type { Json } from '../platform/json.ts'
import { tell } from './events.ts'
import { NEVER_MS, START_WITHIN_MS } from './fire.ts'
import { decideOverlap } from './overlap.ts'
import { makeScheduleRepository } from './repository.ts'
import { dueAt } from './timing.ts'
import type { Fire, Overlap, Schedule } from './types.ts'

/** The schedule with another next time; without one it has ended, and an ended one comes back to life. */
export const withNext = (schedule: Schedule, nextPlannedMs: number | null): Schedule => {
  const { id, fires, options } = schedule
  const isUsedUp = options.maxFires !== null && fires >= options.maxFires
  if (isUsedUp || nextPlannedMs === null) return { ...schedule, status: 'ended', nextPlannedMs: null, nextAtMs: null }
  const status = schedule.status === 'ended' ? 'active' : schedule.status
  const nextAtMs = status === 'active' ? dueAt(id, nextPlannedMs, options.jitterMs) : null
  return { ...schedule, status, nextPlannedMs, nextAtMs }
}

export interface Admitted {
  readonly schedule: Schedule
  /** To be started after the commit. */
  readonly due: readonly Fire[]
  /** All that were added, as they were added. */
  readonly fires: readonly Fire[]
  /** What still goes on has to be called off after the commit. */
  readonly supersedes: boolean
}

export const makeChange = (tx: Handle, nowMs: number) => {
  const repository = makeScheduleRepository(tx)

  const countOutcome = async (schedule: Schedule, fire: Fire): Promise<Schedule> => {
    if (fire.status === 'completed') return { ...schedule, failures: 0 }
    if (fire.status !== 'failed') return schedule
    const failures = schedule.failures + 1
    const { after, pause } = schedule.options.failing
    if (failures !== after) return { ...schedule, failures }
    const isPaused = pause && schedule.status === 'active'
    const error = fire.error as unknown as Json
    await tell(tx, 'schedule.failing', schedule, nowMs, { failures, paused: isPaused, error, ...refData(fire) })
    if (!isPaused) return { ...schedule, failures }
    await tell(tx, 'schedule.paused', schedule, nowMs, { reason: 'failing' })
    return { ...schedule, failures, status: 'paused', nextAtMs: null }
  }

  /** Whether the time has a fire already, so that another one is not added. */
  const isTaken = async ({ scheduleId, plannedAtMs }: Fire): Promise<boolean> => {
    const known = await repository.fire(scheduleId, plannedAtMs)
    return known !== undefined && known.status !== 'skipped'
  }

  const supersedeQueued = async (scheduleId: string): Promise<void> => {
    for (const fire of await repository.openFires(scheduleId, 'queued', Number.MAX_SAFE_INTEGER)) {
      await repository.moveFire('queued', endedFire(fire, 'cancelled', nowMs, { reason: 'superseded' }))
    }
  }

  return {
    repository,
    /** Adds the fires in order, each by the overlap policy. */
    async admit(schedule: Schedule, drafts: readonly Fire[], overlap: Overlap): Promise<Admitted> {
      let { going, queued } = await repository.countOpen(schedule)
      let next = schedule
      let supersedes = false
      const fires: Fire[] = []
      for (const draft of drafts) {
        const decision = draft.status === 'failed' ? undefined : decideOverlap(overlap, { going, queued })
        const fire = decision ? decided(draft, decision, nowMs) : draft
        if (decision && overlap === 'cancel-previous') {
          if (await isTaken(fire)) continue
          await supersedeQueued(schedule.id)
          queued = 0
          supersedes ||= going > 0
        }
        if (!(await repository.addFire(fire))) continue
        fires.push(fire)
        if (fire.status === 'due') going++
        if (fire.status === 'queued') queued++
        const planned = { plannedAtMs: fire.plannedAtMs }
        if (fire.status === 'skipped') {
          await tell(tx, 'schedule.skipped', schedule, nowMs, { ...planned, reason: fire.reason })
          continue
        }
        if (fire.cause === 'planned') next = { ...next, fires: next.fires + 1 }
        if (fire.status !== 'failed') continue
        const error = fire.error as unknown as Json
        await tell(tx, 'schedule.not_started', schedule, nowMs, { ...planned, error })
        next = await countOutcome(next, fire)
      }
      return { schedule: next, fires, due: fires.filter(({ status }) => status === 'due'), supersedes }
    },

    /** Ends a fire. The schedule with what follows from it; undefined when somebody else has ended it. */
    async settle(schedule: Schedule, fire: Fire, ended: Fire): Promise<Schedule | undefined> {
      if (!(await repository.moveFire(fire.status, ended))) return undefined
      if (ended.status === 'failed' && ended.ref === null) {
        const data = { plannedAtMs: fire.plannedAtMs, error: ended.error as unknown as Json }
        await tell(tx, 'schedule.not_started', schedule, nowMs, data)
      }
      return countOutcome(schedule, ended)
    },

    /** The fire whose turn it is, when nothing goes on any more. */
    async promote(schedule: Schedule): Promise<readonly Fire[]> {
      if ((await repository.countOpen(schedule)).going > 0) return []
      const first = await repository.firstQueued(schedule)
      if (!first) return []
      // It waited because it should: it is late only from now on.
      const due: Fire = { ...first, status: 'due', reason: null, dueAtMs: nowMs, wakeAtMs: nowMs + START_WITHIN_MS }
      return (await repository.moveFire('queued', due)) ? [due] : []
    },
  }
}

export const endedFire = (
  fire: Fire,
  status: 'completed' | 'failed' | 'cancelled',
  nowMs: number,
  more: { reason?: string; error?: ErrorRecord } = {},
): Fire => ({ ...fire, ...more, status, request: null, wakeAtMs: null, finishedAtMs: nowMs })

export const refData = ({ ref }: Fire): { runId?: string; taskId?: string } =>
  ref === null ? {} : ref.kind === 'run' ? { runId: ref.id } : { taskId: ref.id }

const decided = (draft: Fire, decision: ReturnType<typeof decideOverlap>, nowMs: number): Fire => {
  if (decision.status === 'due') return draft
  if (decision.status === 'queued') return { ...draft, ...decision, wakeAtMs: NEVER_MS }
  const { status, reason } = decision
  return { ...draft, status, reason, request: null, wakeAtMs: null, finishedAtMs: nowMs }
}
