/** Notifications as a whole: channels and subscriptions, deliveries with their log and replay, the inbox, and the parts that run. */
import type { Clock } from '../platform/clock.ts'
import type { Database } from '../platform/db/database.ts'
import type { EventHub } from '../platform/events/hub.ts'
import type { EventLog } from '../platform/events/log.ts'
import type { MakeId } from '../platform/ids.ts'
import type { Log } from '../platform/log.ts'
import type { Outbound } from '../platform/outbound/outbound.ts'
import { type Owner, toScope } from '../platform/scope.ts'
import { makeSecretBox } from '../platform/secret-box.ts'
import type { SecretKeys } from '../platform/secret-keys.ts'
import type { RevealSecret } from '../secrets/index.ts'
import type { TaskHandler } from '../tasks/index.ts'
import { makeBreaker } from './breaker.ts'
import { makeFetchSecrets } from './channel-fetch.ts'
import { makeChannels } from './channels.ts'
import { makeDeliver } from './deliver.ts'
import { type CreateTask, type DeliveryRetry, makeDispatch } from './dispatch.ts'
import { DELIVER_KIND } from './endings.ts'
import { notificationErrors } from './errors.ts'
import { makeGate } from './gate.ts'
import { makeInbox } from './inbox.ts'
import { makeIntake } from './intake.ts'
import { makeLiquids } from './liquid.ts'
import { type MailServer, makeMailer } from './mail.ts'
import { makeOutbox } from './outbox.ts'
import { makePeople, type PeopleOptions } from './people.ts'
import { makePreferences } from './preferences.ts'
import { makeNotificationRepository } from './repository.ts'
import { type DeliveryFilter, makeDeliveryRepository } from './repository-deliveries.ts'
import { makeReseal } from './reseal.ts'
import { makeRouting } from './routing.ts'
import { makeSend } from './send.ts'
import { makeSubscriptions } from './subscriptions.ts'
import { makeTemplates } from './templates.ts'
import type { Delivery, DeliveryAttempt, Message } from './types.ts'
import { makeRouteWriter } from './write-route.ts'

export interface NotificationServiceOptions extends PeopleOptions {
  readonly db: Database
  readonly clock: Clock
  readonly makeId: MakeId
  readonly log: Log
  /** A key of 32 bytes, or several; the secrets of channels are sealed under the first. */
  readonly secretKey: Buffer | SecretKeys
  readonly revealSecret: RevealSecret
  readonly createTask: CreateTask
  readonly outbound: Outbound
  readonly eventLog: EventLog
  readonly hub: EventHub
  /** Internal hosts that mail servers of tenants may be at; see `makeOutboundPolicy`. */
  readonly allow?: readonly string[]
  /** The operator's mail server, for channels that name none. */
  readonly mailServer?: MailServer | undefined
  /** A certificate authority that mail servers may have besides the public ones, as PEM. */
  readonly mailAuthority?: string | undefined
  /** Deliveries that this process does at a time. */
  readonly places?: number
  /** Of one call to a receiver. */
  readonly timeoutMs?: number
  readonly retry?: Partial<DeliveryRetry>
  /** 0 to 1. */
  readonly random?: () => number
  /** Milliseconds, on a clock that is never set. */
  readonly elapsed?: () => number
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
} as const satisfies DeliveryRetry
const PLACES = 50
const REPLAY_PAGE = 200
/** Between two pages of a replay. */
const REPLAY_PAGE_MS = 1000

export const makeNotificationService = (options: NotificationServiceOptions) => {
  const { db, clock, makeId, timeoutMs = TIMEOUT_MS, random = Math.random } = options
  const box = makeSecretBox(options.secretKey)
  const liquids = makeLiquids()
  const mailer = makeMailer({ allow: options.allow ?? [], timeoutMs, ca: options.mailAuthority })
  const repository = makeDeliveryRepository(db.primary)

  const templates = makeTemplates({ db, clock, makeId, liquids })
  const inbox = makeInbox({ db, clock, liquids, templates })
  const routing = makeRouting(makeNotificationRepository(db.primary))
  const intake = makeIntake({ ...options, liquids, inbox, routing })
  const retry = { ...DELIVERY_RETRY, ...options.retry }
  const dispatch = makeDispatch({ ...options, retry, taskTimeoutMs: timeoutMs + TASK_SLACK_MS })
  const outbox = makeOutbox({ ...options, routing, intake, dispatch })

  const people = makePeople(options)
  const write = makeRouteWriter({ db, changed: () => outbox.wake() })
  const hasMailServer = options.mailServer !== undefined
  const channels = {
    ...makeChannels({ db, clock, makeId, box, hasMailServer, write }),
    ...makeSubscriptions({ db, clock, makeId, liquids, people, write }),
  }
  const preferences = makePreferences({ db, clock, people, write })
  const deliver = makeDeliver({
    ...{ db, clock, makeId, channels, templates, inbox, random },
    send: makeSend({ ...options, mailServer: options.mailServer, mailer, liquids, box, timeoutMs }),
    fetchSecrets: makeFetchSecrets({ revealSecret: options.revealSecret, box }),
    breaker: makeBreaker({ now: clock.now, probeMs: timeoutMs }),
    gate: makeGate({ now: clock.now, places: options.places ?? PLACES }),
    dueAt: outbox.dueAt,
  })

  const find = async (owner: Owner, id: string): Promise<Delivery> => {
    const delivery = await repository.delivery(owner, id)
    if (!delivery) throw notificationErrors.delivery_not_found(`there is no delivery ${id}`)
    return delivery
  }

  const keep = (deliveries: readonly Delivery[]): Promise<void> =>
    db.transaction((tx) => makeDeliveryRepository(tx).addDeliveries(deliveries))

  const add = async (deliveries: readonly Delivery[]): Promise<void> => {
    await keep(deliveries)
    await Promise.all(deliveries.map(dispatch.one))
  }

  const fresh = () => {
    const [id, createdAtMs] = [makeId(), clock.now()]
    const state = { status: 'pending', error: null, taskId: null, finishedAtMs: null, dueAtMs: createdAtMs } as const
    const none = { dedupKey: null, tries: 0, round: 0, slotAtMs: null, digest: null, digestId: null } as const
    return { id, createdAtMs, ...state, ...none }
  }

  /** A channel that is disabled would skip it. */
  const checkActive = async (owner: Owner, channelId: string) => {
    const channel = await channels.find(owner, channelId)
    if (channel.status === 'active') return channel
    throw notificationErrors.channel_disabled(
      `the channel "${channel.name}" is disabled (${channel.reason}); enable it`,
    )
  }

  /** Tells one channel that it is tried: the same way that an event would go. */
  const test = async (owner: Owner, channelId: string): Promise<Delivery> => {
    const channel = await checkActive(owner, channelId)
    const { tenantId, name } = channel
    // Of a shared channel it is told by whoever tries it.
    const projectId = toScope(owner).projectId ?? channel.projectId
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
    const delivery = { ...base, ...what, tenantId, projectId, channelId, subscriptionId: null, memberId: null }
    await add([delivery])
    return delivery
  }

  /** With the id of the first time: a receiver that had it can tell. */
  const again = (delivery: Delivery): Delivery => ({ ...delivery, ...fresh(), cause: 'replay' })

  const replay = async (owner: Owner, id: string): Promise<Delivery> => {
    const delivery = await find(owner, id)
    await checkActive(owner, delivery.channelId)
    const copy = again(delivery)
    await add([copy])
    return copy
  }

  /** Of one channel, those made until now that fit, each message once; says how many. */
  const replayMany = async (
    owner: Owner,
    filter: Pick<DeliveryFilter, 'status' | 'fromMs' | 'toMs'> & { readonly channelId: string },
  ): Promise<number> => {
    await checkActive(owner, filter.channelId)
    // What is made here is younger than this: it is not found again.
    const nowMs = clock.now()
    const toMs = Math.min(filter.toMs ?? Number.POSITIVE_INFINITY, nowMs)
    let count = 0
    let after: Delivery | undefined
    for (let dueAtMs = nowMs; ; dueAtMs += REPLAY_PAGE_MS) {
      const page = await repository.deliveries(owner, { ...filter, isOnce: true, toMs, after, limit: REPLAY_PAGE })
      const finished = page.filter(({ status }) => status !== 'pending')
      const copies = finished.map((delivery) => ({ ...again(delivery), dueAtMs }))
      // Of a long range most get their tasks from the outbox, in steps: neither whoever asks nor the events of others wait for all of them.
      await (after === undefined ? add(copies) : keep(copies))
      count += finished.length
      after = page.at(-1)
      if (page.length === REPLAY_PAGE) continue
      outbox.dueAt(nowMs + REPLAY_PAGE_MS)
      return count
    }
  }

  return {
    channels,
    templates,
    preferences,
    inbox,
    /** In the transaction that removes a member: ends what there is for it. */
    forgetMember: people.forget,
    /** For streams of the inbox. */
    hub: options.hub,
    test,
    find,
    attempts: (tenantId: string, id: string): Promise<DeliveryAttempt[]> => repository.attempts(tenantId, id),
    deliveries: (owner: Owner, filter: DeliveryFilter) => repository.deliveries(owner, filter),
    replay,
    replayMany,
    /** Puts the secrets of up to `limit` channels under the key that seals now; says how many were not. */
    reseal: makeReseal(db, box),
    /** The code of `notification:` tasks; undefined for any other kind. */
    handler: (kind: string): TaskHandler | undefined => (kind === DELIVER_KIND ? deliver : undefined),
    /** Reads the event log from now on, beginning where it was left. */
    start: () => outbox.start(),
    stop: () => outbox.stop(),
  }
}

export type NotificationService = ReturnType<typeof makeNotificationService>
