/** One try of a delivery: whether it may be made now, the call to the receiver, what is kept of it, and what follows from the answer. */
import type { Clock } from '../platform/clock.ts'
import type { Database } from '../platform/db/database.ts'
import { withoutNul } from '../platform/db/text.ts'
import { AppError, messageOf } from '../platform/errors.ts'
import type { MakeId } from '../platform/ids.ts'
import type { Json } from '../platform/json.ts'
import { parseRetryAfter } from '../platform/outbound/retry-after.ts'
import type { TaskCall, TaskHandler } from '../tasks/index.ts'
import type { Breaker } from './breaker.ts'
import type { FetchSecrets } from './channel-fetch.ts'
import type { Channels } from './channels.ts'
import { deliveryErrors } from './errors.ts'
import type { Gate } from './gate.ts'
import type { Inbox } from './inbox.ts'
import { makeNotificationRepository } from './repository.ts'
import { makeDeliveryRepository } from './repository-deliveries.ts'
import { intervalOf, makePaceRepository } from './repository-pace.ts'
import type { Answer, Call, Send } from './send.ts'
import type { Templates } from './templates.ts'
import type { Channel, Delivery, DeliveryAttempt } from './types.ts'

export interface DeliverOptions {
  readonly db: Database
  readonly clock: Clock
  readonly makeId: MakeId
  readonly channels: Channels
  readonly templates: Templates
  readonly inbox: Inbox
  readonly send: Send
  readonly fetchSecrets: FetchSecrets
  readonly breaker: Breaker
  readonly gate: Gate
  readonly random: () => number
  /** A delivery was put off until then. */
  readonly dueAt: (dueAtMs: number) => void
}

const GONE = 410
/** SMTP: the whole service is away, not this mail alone (RFC 5321, 4.2.2). */
const SMTP_AWAY = 421
const FIRST_WAIT_MS = 500
const LONGEST_WAIT_MS = 60_000

export const makeDeliver = (options: DeliverOptions): TaskHandler => {
  const { db, clock, makeId, channels, breaker, gate } = options
  const deliveries = makeDeliveryRepository(db.primary)
  const notifications = makeNotificationRepository(db.primary)

  const refuse = (channel: Channel, { statusCode, retryAfter, text }: Answer): Error => {
    if (channel.config.kind === 'email') {
      const say = statusCode >= 500 ? deliveryErrors.mail_refused : deliveryErrors.mail_deferred
      return say(`the mail server answered ${statusCode}: ${text.slice(0, 200)}`)
    }
    const retryAfterMs = parseRetryAfter(retryAfter, clock.now())
    const hint = statusCode >= 300 && statusCode < 400 ? '; redirects are not followed' : ''
    return deliveryErrors.delivery_refused(
      `the receiver answered ${statusCode}${hint}`,
      retryAfterMs === undefined ? {} : { retryAfterMs },
    )
  }

  /** False when somebody has changed it since it was called, and it is still in use: its new address may be alive. */
  const disable = async (channel: Channel): Promise<boolean> => {
    try {
      await channels.disableAsRead(channel, 'the receiver answered 410: it is gone')
      return true
    } catch (error) {
      if (!(error instanceof AppError && error.code === 'channel_changed')) throw error
      return (await notifications.channel(channel.tenantId, channel.id))?.status !== 'active'
    }
  }

  /** Throws what the task is to make of the answer. */
  const judge = async (channel: Channel, answer: Answer): Promise<void> => {
    if (answer.statusCode >= 200 && answer.statusCode < 300) return
    if (answer.statusCode !== GONE || channel.config.kind === 'email') throw refuse(channel, answer)
    if (!(await disable(channel))) {
      const change = 'the receiver answered 410, and its channel was changed meanwhile: it is tried once more'
      throw deliveryErrors.delivery_refused(change)
    }
    throw deliveryErrors.delivery_gone('the receiver answered 410: it is gone; its channel is disabled')
  }

  const isAlive = (channel: Channel, answer: Answer | undefined): boolean => {
    if (answer === undefined) return false
    return channel.config.kind === 'email' ? answer.statusCode !== SMTP_AWAY : answer.statusCode < 500
  }

  /** One call and its line in the log. The line is written before anybody is told how the call ended. */
  const attempt = async (channel: Channel, delivery: Delivery, call: TaskCall, leave: (isAlive: boolean) => void) => {
    const atMs = clock.now()
    let request: Call['request'] = null
    let answer: Answer | undefined
    let failure: unknown
    try {
      const complete = await options.fetchSecrets(channel)
      const sending = options.send(complete, delivery, await options.templates.of(channel))
      request = sending.request
      answer = await sending.make(call.signal)
      await judge(channel, answer)
    } catch (error) {
      failure = error
    }
    const alive = isAlive(channel, answer)
    if (!call.signal.aborted) breaker.told(channel.id, alive)
    leave(alive || call.signal.aborted)
    const error = failure === undefined ? null : describe(failure)
    const line: DeliveryAttempt = {
      id: makeId(),
      tenantId: delivery.tenantId,
      deliveryId: delivery.id,
      attempt: delivery.tries + 1,
      atMs,
      durationMs: clock.now() - atMs,
      request: request === null ? null : JSON.stringify(request),
      statusCode: answer?.statusCode ?? null,
      response: answer?.text ?? null,
      error,
    }
    await db.transaction(async (tx) => {
      const writes = makeDeliveryRepository(tx)
      await writes.addAttempt(line)
      // Known by now at the latest, so that the end of the task finds its delivery.
      await writes.setTask(delivery, call.taskId)
      if (error === null) await writes.finish(delivery, 'delivered', null, clock.now())
      else await writes.countFailure(delivery, error)
    })
    if (failure !== undefined) throw failure
  }

  const skip = async (delivery: Delivery, reason: string): Promise<Json> => {
    await db.transaction((tx) => makeDeliveryRepository(tx).finish(delivery, 'skipped', reason, clock.now()))
    return { status: 'skipped', reason }
  }

  /** Not a failure: its task ends, and another one follows when its time has come. */
  const putOff = async (
    delivery: Delivery,
    dueAtMs: number,
    slotAtMs: number | null,
    reason: string,
  ): Promise<Json> => {
    await db.transaction((tx) => makeDeliveryRepository(tx).putOff(delivery, dueAtMs, slotAtMs))
    options.dueAt(dueAtMs)
    return { status: 'put_off', reason, until: new Date(dueAtMs).toISOString() }
  }

  /** The time that the rate limit gives; in the past or now when there is none. */
  const slotFor = async ({ id, settings }: Channel, delivery: Delivery): Promise<number> => {
    const nowMs = clock.now()
    if (settings.ratePerMinute === null || (delivery.slotAtMs !== null && delivery.slotAtMs <= nowMs)) return nowMs
    if (delivery.slotAtMs !== null) return delivery.slotAtMs
    const intervalMs = intervalOf(settings.ratePerMinute)
    return db.transaction((tx) => makePaceRepository(tx).takeSlot(id, nowMs, intervalMs))
  }

  const rest = async (channel: Channel, delivery: Delivery, call: TaskCall): Promise<void> => {
    const restMs = breaker.rests(channel.id)
    if (restMs === 0) return
    const error = deliveryErrors.channel_resting('the receiver did not answer lately: it is left alone for a while', {
      retryAfterMs: restMs,
    })
    await db.transaction(async (tx) => {
      const writes = makeDeliveryRepository(tx)
      await writes.setTask(delivery, call.taskId)
      await writes.countFailure(delivery, describe(error))
    })
    throw error
  }

  /** Longer each time, so that what waits for a slow receiver does not keep everybody busy with asking. */
  const waitMs = ({ round }: Delivery): number =>
    Math.min(FIRST_WAIT_MS * 2 ** Math.min(round, 20), LONGEST_WAIT_MS) * (0.5 + options.random())

  const put = async (channel: Channel, delivery: Delivery, call: TaskCall): Promise<Json> => {
    await rest(channel, delivery, call)
    const leave = gate.enter(channel.id)
    if (!leave) {
      const reason = 'as many calls of the channel are under way as it may have'
      return putOff(delivery, Math.round(clock.now() + waitMs(delivery)), delivery.slotAtMs, reason)
    }
    try {
      const slotAtMs = await slotFor(channel, delivery)
      if (slotAtMs > clock.now()) {
        leave(true)
        return putOff(delivery, Math.ceil(slotAtMs), Math.ceil(slotAtMs), 'the rate limit of the channel')
      }
    } catch (error) {
      leave(true)
      throw error
    }
    // After a rest one call tries the receiver; it may have been taken since.
    if (breaker.ask(channel.id) > 0) {
      leave(false)
      await rest(channel, delivery, call)
    }
    await attempt(channel, delivery, call, leave)
    return { status: 'delivered' }
  }

  return async (input, call) => {
    const { deliveryId, round = 0 } = (input ?? {}) as { deliveryId?: unknown; round?: unknown }
    const id = String(deliveryId)
    const delivery = await deliveries.delivery(call.tenantId, id)
    if (!delivery) throw deliveryErrors.delivery_unknown(`there is no delivery ${id}`)
    if (delivery.taskId !== null && delivery.taskId !== call.taskId)
      throw deliveryErrors.delivery_unknown(`the delivery ${id} belongs to another task`)
    // The process died between the delivery, or its being put off, and the end of this task.
    if (delivery.status === 'delivered') return { status: 'delivered' }
    // Its member was removed meanwhile.
    if (delivery.status === 'skipped') return { status: 'skipped' }
    if (delivery.round !== round) return { status: 'put_off' }
    const channel = await notifications.channel(call.tenantId, delivery.channelId)
    if (channel?.status !== 'active') return skip(delivery, channel ? 'the channel is disabled' : 'the channel is gone')
    if (channel.config.kind !== 'inbox') return put(channel, delivery, call)
    return { status: (await options.inbox.put(channel, delivery)) ? 'delivered' : 'skipped' }
  }
}

/** Without NUL, which PostgreSQL keeps in no text. */
const describe = (error: unknown): string =>
  withoutNul(error instanceof AppError ? `${error.code}: ${error.message}` : messageOf(error))
