/**
 * Starts many dead letters again: a row says which and how far it is, and whoever sweeps goes on from there, so that a restart only
 * interrupts it. Letters that die again while it is at work are not taken a second time.
 */
import { makeSweeper } from '../engine/index.ts'
import type { Bus } from '../platform/bus/bus.ts'
import type { Clock } from '../platform/clock.ts'
import type { Database } from '../platform/db/database.ts'
import { AppError } from '../platform/errors.ts'
import type { MakeId } from '../platform/ids.ts'
import type { Log } from '../platform/log.ts'
import { checkMayChange, type Owner } from '../platform/scope.ts'
import { taskErrors } from './errors.ts'
import type { TaskRepository } from './repository.ts'
import { makeRedriveRepository } from './repository-redrives.ts'
import type { DeadLetter, Redrive } from './types.ts'

export interface RedrivesOptions {
  readonly db: Database
  readonly bus: Bus
  readonly clock: Clock
  readonly log: Log
  readonly makeId: MakeId
  readonly tasks: TaskRepository
  /** Starts one again. */
  restart(letter: DeadLetter): Promise<void>
}

export interface RedriveRequest {
  readonly tenantId: string
  readonly projectId?: string | null
  readonly kind?: string | undefined
  readonly reason?: DeadLetter['reason'] | undefined
  /** Absent: as fast as it goes. */
  readonly ratePerSecond?: number | undefined
}

/** Redrives that go on in one sweep, letters of one step, and redrives of a tenant at a time. */
const DUE = 20
const STEP = 200
const RUNNING_MAX = 20
/** A step of a redrive with a rate takes about so long. */
const STEP_MS = 250

export const makeRedrives = ({ db, bus, clock, log, makeId, tasks, restart }: RedrivesOptions) => {
  const redrives = makeRedriveRepository(db.primary)
  let redriven = 0

  /** Whether it was started again; a letter that somebody else has taken is passed over. */
  const take = async (letter: DeadLetter): Promise<boolean> => {
    try {
      await restart(letter)
      redriven++
      return true
    } catch (error) {
      if (error instanceof AppError) return false
      throw error
    }
  }

  const step = async (redrive: Redrive): Promise<void> => {
    const { kind, reason, ratePerSecond, untilMs, position } = redrive
    const limit =
      ratePerSecond === null ? STEP : Math.min(STEP, Math.max(1, Math.floor((ratePerSecond * STEP_MS) / 1000)))
    const letters = await tasks.deadLetters(redrive, {
      ...{ status: 'dead', isOwned: true, untilMs, limit },
      kind: kind ?? undefined,
      reason: reason ?? undefined,
      after: position === null ? undefined : { id: position },
    })
    const taken = (await Promise.all(letters.map(take))).filter(Boolean).length
    const isOver = letters.length < limit
    const nowMs = clock.now()
    // From when it was due, so that a late step does not make the whole slower; but what was missed is not made up in a burst.
    const stepMs = ratePerSecond === null ? 0 : (letters.length * 1000) / ratePerSecond
    const next: Redrive = {
      ...redrive,
      status: isOver ? 'completed' : 'running',
      position: letters.at(-1)?.id ?? position,
      nextMs: Math.ceil(Math.max(redrive.nextMs + stepMs, nowMs)),
      finishedAtMs: isOver ? nowMs : null,
    }
    await db.transaction(async (tx) => {
      const written = makeRedriveRepository(tx)
      await written.count(redrive.id, taken, letters.length - taken)
      await written.advance(next, redrive)
    })
  }

  const sweeper = makeSweeper({
    name: 'redrives',
    ...{ bus, clock },
    nextAt: (nowMs) => redrives.nextAt(nowMs),
    onError: (error) => log.error({ err: error }, 'dead letters could not be started again'),
    async sweep(nowMs) {
      const due = await redrives.due(nowMs, DUE)
      await Promise.all(due.map(step))
      if (due.length > 0) sweeper.soon()
    },
  })

  const find = async (owner: Owner, id: string): Promise<Redrive> => {
    const redrive = await redrives.find(owner, id)
    if (redrive) return redrive
    throw taskErrors.redrive_not_found(`there is no redrive ${id}`)
  }

  return {
    sweeper,
    find,
    list: (owner: Owner, before: string | undefined, limit: number) => redrives.list(owner, before, limit),
    /** All that fit and are dead now; goes on after the answer. */
    async start({ tenantId, projectId = null, kind, reason, ratePerSecond }: RedriveRequest): Promise<Redrive> {
      if ((await redrives.countRunning(tenantId)) >= RUNNING_MAX) {
        throw taskErrors.redrives_too_many(`${RUNNING_MAX} redrives are under way; wait for one, or cancel it`)
      }
      const nowMs = clock.now()
      const redrive: Redrive = {
        ...{ id: makeId(), tenantId, projectId, status: 'running', position: null, done: 0, skipped: 0 },
        kind: kind ?? null,
        reason: reason ?? null,
        ratePerSecond: ratePerSecond ?? null,
        ...{ untilMs: nowMs, nextMs: nowMs, createdAtMs: nowMs, finishedAtMs: null },
      }
      await db.transaction((tx) => makeRedriveRepository(tx).add(redrive))
      sweeper.soon()
      return redrive
    },
    /** What was started again goes on. */
    async cancel(owner: Owner, id: string): Promise<Redrive> {
      const redrive = await find(owner, id)
      checkMayChange(owner, redrive)
      const isEnded = await db.transaction((tx) => makeRedriveRepository(tx).cancel(redrive.tenantId, id, clock.now()))
      if (isEnded) return find(owner, id)
      throw taskErrors.redrive_over(`the redrive ${id} is ${redrive.status} already`)
    },
    /** Letters started again here since the start. */
    get redriven() {
      return redriven
    },
  }
}
