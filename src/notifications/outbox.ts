/**
 * The outbox: reads the event log in order, has the intake make deliveries and the dispatch make their tasks, and knows when. The
 * deliveries of a page of events and the cursor behind that page are written in one transaction, and a delivery without a task is
 * found again, so that a crash at any point neither loses nor doubles one.
 */

import { setImmediate as nextTurn } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import type { Clock } from '../platform/clock.ts'
import type { Database } from '../platform/db/database.ts'
import type { Event } from '../platform/events/event.ts'
import type { EventHub } from '../platform/events/hub.ts'
import type { EventLog } from '../platform/events/log.ts'
import type { Log } from '../platform/log.ts'
import type { Dispatch } from './dispatch.ts'
import { isOwn, OUTBOX_CURSOR, STATUS_AFTER } from './endings.ts'
import type { Intake } from './intake.ts'
import { makeNotificationRepository } from './repository.ts'
import { makeDeliveryRepository } from './repository-deliveries.ts'
import type { Routing } from './routing.ts'

const PAGE = 500
/** Events that come within this time are read together. */
const GATHER_MS = 20
const SWEEP_MS = 5000
const FORGET_MS = 60_000

export interface OutboxOptions {
  readonly db: Database
  readonly clock: Clock
  readonly log: Log
  readonly eventLog: EventLog
  readonly hub: EventHub
  readonly routing: Routing
  readonly intake: Intake
  readonly dispatch: Dispatch
}

export interface Outbox {
  start(): Promise<void>
  /** Waits for what it is about. */
  stop(): Promise<void>
  /** There may be events to read. */
  wake(): void
  /** A delivery is due then. Known to this process alone: in others the sweep finds it. */
  dueAt(dueAtMs: number): void
}

export const makeOutbox = ({ db, clock, log, eventLog, hub, routing, intake, dispatch }: OutboxOptions): Outbox => {
  const notifications = makeNotificationRepository(db.primary)
  const deliveries = makeDeliveryRepository(db.primary)

  /** With nobody subscribed and nothing under way, the log is passed over instead of being read. */
  const passOver = async (): Promise<void> => {
    const from = await notifications.cursor(OUTBOX_CURSOR)
    const head = await eventLog.head()
    if (head === undefined || head <= from) return
    // Asked after the head, so that whoever subscribes from now on is told of what comes after it.
    if ((await routing.current()).size > 0 || (await deliveries.hasPending())) return readOn()
    await db.transaction((tx) => makeNotificationRepository(tx).moveCursor(OUTBOX_CURSOR, from, head))
  }

  const dispatchDue = async (): Promise<void> => {
    isDue = false
    dueAt(await dispatch.due(() => stopped))
  }

  const readOn = async (): Promise<void> => {
    while (!stopped) {
      const from = await notifications.cursor(OUTBOX_CURSOR)
      const events = await eventLog.readAll(from, PAGE)
      if (events.length === 0) return
      const { isMore, isWorkLeft, nextDueAtMs } = await intake.take(events, from)
      dueAt(nextDueAtMs)
      if (isWorkLeft || isDue) await dispatchDue()
      if (events.length < PAGE && !isMore) return
      // A database in this very process lets nobody else have a turn by itself.
      await nextTurn()
    }
  }

  // ---- when ---------------------------------------------------------------------------------------------------------------------------

  let stopped = true
  let working: Promise<void> | undefined
  let again = false
  let disarmGather: (() => void) | undefined
  let disarmSweep: (() => void) | undefined
  let unsubscribe: (() => void) | undefined
  let stopHearing: (() => void) | undefined
  let heardTypes: readonly string[] = []
  let disarmDue: (() => void) | undefined
  let nextDueAtMs = Number.POSITIVE_INFINITY
  let isDue = false
  let forgotAtMs = 0

  const forget = async (): Promise<void> => {
    if (clock.now() - forgotAtMs < FORGET_MS) return
    forgotAtMs = clock.now()
    await dispatch.forgetKeys()
  }

  const work = async (isSweep: boolean): Promise<void> => {
    if (isSweep || isDue) await dispatchDue()
    if (isSweep && routing.known().size === 0) await passOver()
    else await readOn()
    // Only now: an event that was yet to be read may fall into the window of an old key.
    if (isSweep) await forget()
    if (!stopped) listen()
  }

  const run = (isSweep: boolean): void => {
    if (stopped) return
    if (working) {
      again = true
      // It may be at work for long, where events come as fast as they are read.
      isDue ||= isSweep
      return
    }
    working = work(isSweep)
      .catch((error: unknown) => log.error({ err: error }, 'the outbox of notifications stumbled; it goes on'))
      .finally(() => {
        working = undefined
        if (again) wake()
        again = false
      })
  }

  const wake = (): void => {
    if (stopped || disarmGather) return
    disarmGather = clock.after(GATHER_MS, () => {
      disarmGather = undefined
      run(false)
    })
  }

  const dueAt = (dueAtMs: number | undefined): void => {
    if (stopped || dueAtMs === undefined || dueAtMs >= nextDueAtMs) return
    nextDueAtMs = dueAtMs
    disarmDue?.()
    disarmDue = clock.after(Math.max(dueAtMs - clock.now(), 0), () => {
      nextDueAtMs = Number.POSITIVE_INFINITY
      isDue = true
      wake()
    })
  }

  const sweep = (): void => {
    disarmSweep = clock.after(SWEEP_MS, () => {
      run(true)
      sweep()
    })
  }

  /** For all else the sweep is often enough. */
  const look = (event: Event): void => {
    if (isOwn(event) ? event.type in STATUS_AFTER : routing.known().has(event.tenantId)) wake()
  }

  /** What somebody is subscribed to is listened to wherever it is written; all else only here. */
  const listen = (): void => {
    const types = [...new Set([...routing.types(), ...Object.keys(STATUS_AFTER)])].sort()
    if (isDeepStrictEqual(types, heardTypes)) return
    stopHearing?.()
    heardTypes = types
    stopHearing = hub.subscribe({ types }, look)
  }

  return {
    wake,
    dueAt,
    async start() {
      await db.transaction((tx) => makeNotificationRepository(tx).ensureCursor(OUTBOX_CURSOR))
      stopped = false
      unsubscribe = hub.subscribe({}, look)
      run(true)
      sweep()
    },
    async stop() {
      stopped = true
      unsubscribe?.()
      stopHearing?.()
      heardTypes = []
      disarmGather?.()
      disarmGather = undefined
      disarmSweep?.()
      disarmDue?.()
      nextDueAtMs = Number.POSITIVE_INFINITY
      await working
    },
  }
}
