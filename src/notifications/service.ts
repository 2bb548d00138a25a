/** Notifications as a whole: channels and subscriptions, deliveries with their log and replay, the inbox, and the parts that run. */
import type { Clock } from '../platform/clock.ts'
import type { Database } from '../platform/db/database.ts'
import type { EventHub } from '../platform/events/hub.ts'
import type { EventLog } from '../platform/events/log.ts'
import type { MakeId } from '../platform/ids.ts'
import type { Log } from '../platform/log.ts'
import type { Outbound } from '../platform/outbound/outbound.ts'
import { makeSecretBox } from '../platform/secret-box.ts'
import type { NewTask, TaskHandler } from '../tasks/index.ts'
import { makeBreaker } from './breaker.ts'
import { makeChannels } from './channels.ts'
import { makeDeliver } from './deliver.ts'
import { notificationErrors } from './errors.ts'
import { type CreateTask, DELIVER_KIND, makeOutbox } from './outbox.ts'
import { type DeliveryFilter, type InboxFilter, makeDeliveryRepository } from './repository-deliveries.ts'
import type { Delivery, DeliveryAttempt, InboxItem, Message } from './types.ts'

export interface NotificationServiceOptions {
  readonly db: Database
  readonly clock: Clock
  readonly makeId: MakeId
  readonly log: Log
  /** 32 bytes; the secrets of channels are sealed under it. */
  readonly secretKey: Buffer
  readonly createTask: CreateTask
  readonly outbound: Outbound
  readonly eventLog: EventLog
  readonly hub: EventHub
  /** Of one call to a receiver. */
  readonly timeoutMs?: number
  readonly retry?: NonNullable<NewTask['retry']>
}

const TIMEOUT_MS = 15_000
/** For the database around the call. */
const TASK_SLACK_MS = 15_000
/** 5 s, doubled each time up to 24 h: about three days in all. */
export const DELIVERY_RETRY = {
  attempts: 17,
  backoff: 'exponential',
  delay: 5000,
  maxDelay: 86_400_000,
  jitter: 0.1,
} as const satisfies NewTask['retry']
const REPLAY_PAGE = 200

export const makeNotificationService = (options: NotificationServiceOptions) => {
  const { db, clock, makeId, timeoutMs = TIMEOUT_MS, retry = DELIVERY_RETRY } = options
  const box = makeSecretBox(options.secretKey)
  const repository = makeDeliveryRepository(db.primary)
  const outbox = makeOutbox({ ...options, retry, taskTimeoutMs: timeoutMs + TASK_SLACK_MS })
  const channels = makeChannels({ db, clock, makeId, box, changed: () => outbox.wake() })
  const breaker = makeBreaker({ now: clock.now, probeMs: timeoutMs })
  const deliver = makeDeliver({ ...options, box, channels, breaker, timeoutMs })

  const find = async (tenantId: string, id: string): Promise<Delivery> => {
    const delivery = await repository.delivery(tenantId, id)
    if (!delivery) throw notificationErrors.delivery_not_found(`there is no delivery ${id}`)
    return delivery
  }

  const add = async (deliveries: readonly Delivery[]): Promise<void> => {
    await db.transaction((tx) => makeDeliveryRepository(tx).addDeliveries(deliveries))
    await Promise.all(deliveries.map((delivery) => outbox.dispatch(delivery)))
  }

  const fresh = () => {
    const [id, createdAtMs] = [makeId(), clock.now()]
    const state = { dedupKey: null, status: 'pending', error: null, taskId: null, finishedAtMs: null } as const
    return { id, createdAtMs, ...state }
  }

  /** A channel that is disabled would skip it. */
  const checkActive = async (tenantId: string, channelId: string) => {
    const channel = await channels.find(tenantId, channelId)
    if (channel.status === 'active') return channel
    throw notificationErrors.channel_disabled(
      `the channel "${channel.name}" is disabled (${channel.reason}); enable it`,
    )
  }

  /** Tells one channel that it is tried: the same way that an event would go. */
  const test = async (tenantId: string, channelId: string): Promise<Delivery> => {
    const { projectId, name } = await checkActive(tenantId, channelId)
    const base = fresh()
    const type = 'notification.test'
    const message: Message = {
      type,
      timestamp: new Date(base.createdAtMs).toISOString(),
      eventId: null,
      projectId,
      runId: null,
      taskId: null,
      data: { text: `a test of the channel "${name}"` },
    }
    const what = { cause: 'test', type, messageId: `msg_${base.id}`, message: JSON.stringify(message) } as const
    const delivery = { ...base, ...what, tenantId, projectId, channelId, subscriptionId: null }
    await add([delivery])
    return delivery
  }

  /** With the id of the first time: a receiver that had it can tell. */
  const again = (delivery: Delivery): Delivery => ({ ...delivery, ...fresh(), cause: 'replay' })

  const replay = async (tenantId: string, id: string): Promise<Delivery> => {
    const delivery = await find(tenantId, id)
    await checkActive(tenantId, delivery.channelId)
    const copy = again(delivery)
    await add([copy])
    return copy
  }

  /** Of one channel, those made until now that fit; says how many. */
  const replayMany = async (
    tenantId: string,
    filter: Pick<DeliveryFilter, 'status' | 'fromMs' | 'toMs'> & { readonly channelId: string },
  ): Promise<number> => {
    await checkActive(tenantId, filter.channelId)
    // What is made here is younger than this: it is not found again.
    const toMs = Math.min(filter.toMs ?? Number.POSITIVE_INFINITY, clock.now())
    let count = 0
    let after: Delivery | undefined
    for (;;) {
      const page = await repository.deliveries(tenantId, { ...filter, toMs, after, limit: REPLAY_PAGE })
      const finished = page.filter(({ status }) => status !== 'pending')
      await add(finished.map(again))
      count += finished.length
      after = page.at(-1)
      if (page.length < REPLAY_PAGE) return count
    }
  }

  const setRead = async (tenantId: string, id: string, isRead: boolean): Promise<InboxItem> => {
    const item = await repository.inboxItem(tenantId, id)
    if (!item) throw notificationErrors.inbox_item_not_found(`there is no inbox item ${id}`)
    const readAtMs = isRead ? (item.readAtMs ?? clock.now()) : null
    await db.transaction((tx) => makeDeliveryRepository(tx).setRead(tenantId, id, readAtMs))
    return { ...item, readAtMs }
  }

  return {
    channels,
    test,
    find,
    attempts: (tenantId: string, id: string): Promise<DeliveryAttempt[]> => repository.attempts(tenantId, id),
    deliveries: (tenantId: string, filter: DeliveryFilter) => repository.deliveries(tenantId, filter),
    replay,
    replayMany,
    inbox: (tenantId: string, filter: InboxFilter) => repository.inbox(tenantId, filter),
    unreadCount: (tenantId: string) => repository.unreadCount(tenantId),
    setRead,
    /** Says how many were unread. */
    setAllRead: (tenantId: string): Promise<number> =>
      db.transaction((tx) => makeDeliveryRepository(tx).setAllRead(tenantId, clock.now())),

    /** The code of `notification:` tasks; undefined for any other kind. */
    handler: (kind: string): TaskHandler | undefined => (kind === DELIVER_KIND ? deliver : undefined),
    /** Reads the event log from now on, beginning where it was left. */
    start: () => outbox.start(),
    stop: () => outbox.stop(),
  }
}

export type NotificationService = ReturnType<typeof makeNotificationService>
