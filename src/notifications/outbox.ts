/**
 * The outbox: reads the event log in order, makes a delivery for every subscription that an event fits, and a task for every
 * delivery. The deliveries of a page of events and the cursor behind that page are written in one transaction, and a delivery
 * without a task is found again, so that a crash at any point neither loses nor doubles one.
 */

import type { Clock } from '../platform/clock.ts'
import type { Database } from '../platform/db/database.ts'
import type { Event } from '../platform/events/event.ts'
import type { EventHub } from '../platform/events/hub.ts'
import type { EventLog } from '../platform/events/log.ts'
import type { MakeId } from '../platform/ids.ts'
import type { Log } from '../platform/log.ts'
import type { NewTask } from '../tasks/index.ts'
import { toInboxItem, toMessage } from './message.ts'
import { makeNotificationRepository } from './repository.ts'
import { makeDeliveryRepository } from './repository-deliveries.ts'
import { makeRouting, type Route } from './routing.ts'
import type { Delivery, InboxItem } from './types.ts'

export const DELIVER_KIND = 'notification:deliver'
const CURSOR = 'notification-outbox'
const PAGE = 500
/** Events that come within this time are read together. */
const GATHER_MS = 20
const SWEEP_MS = 5000

export type CreateTask = (request: NewTask) => Promise<{ readonly task: { readonly id: string } }>

export interface OutboxOptions {
  readonly db: Database
  readonly clock: Clock
  readonly makeId: MakeId
  readonly log: Log
  readonly eventLog: EventLog
  readonly hub: EventHub
  readonly createTask: CreateTask
  readonly retry: NonNullable<NewTask['retry']>
  readonly taskTimeoutMs: number
}

export interface Outbox {
  start(): Promise<void>
  /** Waits for what it is about. */
  stop(): Promise<void>
  /** There may be events to read. */
  wake(): void
  /** Makes the task of a delivery that was made by hand. What fails is made up for by the sweep. */
  dispatch(delivery: Delivery): Promise<void>
}

/** Events of deliveries themselves: to tell of those would never end. */
const isOwn = ({ data }: Event): boolean => typeof data.kind === 'string' && data.kind.startsWith('notification:')

/** What the end of a delivery's task, as the log tells of it, means for the delivery. */
const STATUS_AFTER = {
  'task.dead': ['pending', 'failed'],
  'task.cancelled': ['pending', 'failed'],
  'task.redriven': ['failed', 'pending'],
  'task.retried': ['failed', 'pending'],
} as const

const messageOfError = (event: Event): string | null => {
  const { error } = event.data as { error?: { code?: string; message?: string } }
  if (event.type === 'task.cancelled') return 'cancelled'
  return error ? `${error.code}: ${error.message}` : null
}

export const makeOutbox = (options: OutboxOptions): Outbox => {
  const { db, clock, makeId, log, eventLog, hub, createTask } = options
  const notifications = makeNotificationRepository(db.primary)
  const routing = makeRouting(notifications)
  const deliveries = makeDeliveryRepository(db.primary)

  // ---- from events to deliveries --------------------------------------------------------------------------------------------------

  const deliveryOf = (event: Event, { subscription, isInbox }: Route): Delivery => {
    const [id, nowMs] = [makeId(), clock.now()]
    return {
      id,
      tenantId: event.tenantId,
      projectId: event.projectId,
      channelId: subscription.channelId,
      subscriptionId: subscription.id,
      cause: 'event',
      type: event.type,
      messageId: `msg_${id}`,
      message: JSON.stringify(toMessage(event)),
      dedupKey: `${event.id}:${subscription.id}`,
      // What is kept in the same database is delivered with this very transaction.
      status: isInbox ? 'delivered' : 'pending',
      error: null,
      taskId: null,
      createdAtMs: nowMs,
      finishedAtMs: isInbox ? nowMs : null,
    }
  }

  /** Whether there are deliveries to dispatch. When another process moved the cursor meanwhile, nothing is written. */
  const take = async (events: readonly Event[], from: number): Promise<boolean> => {
    const routesOf = await routing.current()
    const made: Delivery[] = []
    const items: InboxItem[] = []
    for (const event of events) {
      if (isOwn(event)) continue
      for (const route of routesOf.get(event.tenantId) ?? []) {
        if (!route.fits(event)) continue
        const delivery = deliveryOf(event, route)
        made.push(delivery)
        if (route.isInbox) items.push(toInboxItem(delivery, toMessage(event)))
      }
    }
    const endings = events.filter((event) => event.type in STATUS_AFTER && event.data.kind === DELIVER_KIND)
    return db.transaction(async (tx) => {
      if (!(await makeNotificationRepository(tx).moveCursor(CURSOR, from, events.at(-1)!.id))) return false
      const writes = makeDeliveryRepository(tx)
      await writes.addDeliveries(made)
      await writes.addInboxItems(items)
      for (const event of endings) {
        const [before, after] = STATUS_AFTER[event.type as keyof typeof STATUS_AFTER]
        const { tenantId, taskId, atMs } = event
        await writes.follow({ tenantId, taskId: taskId as string, error: messageOfError(event), atMs }, before, after)
      }
      return made.some(({ status }) => status === 'pending')
    })
  }

  /** With nobody subscribed and nothing under way, the log is passed over instead of being read. */
  const passOver = async (): Promise<void> => {
    const from = await notifications.cursor(CURSOR)
    const head = await eventLog.head()
    if (head === undefined || head <= from) return
    // Asked after the head, so that whoever subscribes from now on is told of what comes after it.
    if ((await routing.current()).size > 0 || (await deliveries.hasPending())) return readOn()
    await db.transaction((tx) => makeNotificationRepository(tx).moveCursor(CURSOR, from, head))
  }

  const readOn = async (): Promise<void> => {
    while (!stopped) {
      const from = await notifications.cursor(CURSOR)
      const events = await eventLog.readAll(from, PAGE)
      if (events.length === 0) return
      if (await take(events, from)) await dispatch()
      if (events.length < PAGE) return
    }
  }

  // ---- from deliveries to tasks -----------------------------------------------------------------------------------------------------

  const dispatchOne = async (delivery: Delivery): Promise<void> => {
    const { id, tenantId, projectId } = delivery
    try {
      const { task } = await createTask({
        tenantId,
        projectId,
        kind: DELIVER_KIND,
        input: { deliveryId: id },
        priority: 3,
        retry: options.retry,
        timeoutMs: options.taskTimeoutMs,
        // The task of a delivery is made once, however often this is tried.
        idempotencyKey: `notification:${id}`,
      })
      await db.transaction((tx) => makeDeliveryRepository(tx).setTask(tenantId, id, task.id))
    } catch (error) {
      log.error({ err: error, deliveryId: id }, 'a delivery got no task; trying again at the next sweep')
    }
  }

  const dispatch = async (): Promise<void> => {
    for (let afterId = ''; !stopped; ) {
      const waiting = await deliveries.undispatched(afterId, PAGE)
      await Promise.all(waiting.map(dispatchOne))
      if (waiting.length < PAGE) return
      afterId = waiting.at(-1)!.id
    }
  }

  // ---- when ---------------------------------------------------------------------------------------------------------------------------

  let stopped = true
  let working: Promise<void> | undefined
  let again = false
  let disarmGather: (() => void) | undefined
  let disarmSweep: (() => void) | undefined
  let unsubscribe: (() => void) | undefined

  const work = async (isSweep: boolean): Promise<void> => {
    if (isSweep) await dispatch()
    if (isSweep && routing.known().size === 0) await passOver()
    else await readOn()
  }

  const run = (isSweep: boolean): void => {
    if (stopped) return
    if (working) {
      again = true
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

  const sweep = (): void => {
    disarmSweep = clock.after(SWEEP_MS, () => {
      run(true)
      sweep()
    })
  }

  /** For all else the sweep is often enough. */
  const isOfInterest = (event: Event): boolean =>
    isOwn(event) ? event.type in STATUS_AFTER : routing.known().has(event.tenantId)

  return {
    wake,
    dispatch: dispatchOne,
    async start() {
      await db.transaction((tx) => makeNotificationRepository(tx).ensureCursor(CURSOR))
      stopped = false
      unsubscribe = hub.subscribe({}, (event) => isOfInterest(event) && wake())
      run(true)
      sweep()
    },
    async stop() {
      stopped = true
      unsubscribe?.()
      disarmGather?.()
      disarmGather = undefined
      disarmSweep?.()
      await working
    },
  }
}
