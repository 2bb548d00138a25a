/** One try of a delivery: the call to the receiver, what is kept of it, and what follows from the answer. */
import type { Clock } from '../platform/clock.ts'
import type { Database } from '../platform/db/database.ts'
import { AppError, messageOf } from '../platform/errors.ts'
import type { MakeId } from '../platform/ids.ts'
import type { Json } from '../platform/json.ts'
import type { Outbound } from '../platform/outbound/outbound.ts'
import { parseRetryAfter } from '../platform/outbound/retry-after.ts'
import type { SecretBox } from '../platform/secret-box.ts'
import type { TaskCall, TaskHandler } from '../tasks/index.ts'
import type { Breaker } from './breaker.ts'
import { type Channels, secretsOf, urlOf } from './channels.ts'
import { deliveryErrors } from './errors.ts'
import { toInboxItem, toSlackBody } from './message.ts'
import { makeNotificationRepository } from './repository.ts'
import { makeDeliveryRepository } from './repository-deliveries.ts'
import type { Channel, Delivery, DeliveryAttempt, Message } from './types.ts'
import { webhookHeaders } from './webhook.ts'

export interface DeliverOptions {
  readonly db: Database
  readonly clock: Clock
  readonly makeId: MakeId
  readonly outbound: Outbound
  readonly box: SecretBox
  readonly channels: Channels
  readonly breaker: Breaker
  readonly timeoutMs: number
}

interface Answer {
  readonly statusCode: number
  readonly retryAfter: string | undefined
  /** The beginning of the body. */
  readonly text: string
}

/** What the log keeps of an answer. */
const RESPONSE_CHARACTERS = 2000
const RESPONSE_BYTES = 8192
const GONE = 410

export const makeDeliver = (options: DeliverOptions): TaskHandler => {
  const { db, clock, makeId, outbound, box, channels, breaker, timeoutMs } = options
  const deliveries = makeDeliveryRepository(db.primary)
  const notifications = makeNotificationRepository(db.primary)

  const requestOf = (channel: Channel, delivery: Delivery) => {
    const json = { 'content-type': 'application/json' }
    if (channel.config.kind === 'slack')
      return { body: toSlackBody(JSON.parse(delivery.message) as Message), headers: json }
    const body = delivery.message
    const atMs = clock.now()
    const secrets = secretsOf(channel, box, atMs)
    return { body, headers: { ...json, ...webhookHeaders({ id: delivery.messageId, body, atMs }, secrets) } }
  }

  const send = async (channel: Channel, delivery: Delivery, signal: AbortSignal): Promise<Answer> => {
    const request = { ...requestOf(channel, delivery), method: 'POST', timeoutMs, signal }
    const { status, headers, body } = await outbound.stream(urlOf(channel, box), request)
    return { statusCode: status, retryAfter: headers['retry-after'], text: await beginningOf(body) }
  }

  /** Throws what the task is to make of the answer. */
  const judge = async (channel: Channel, { statusCode, retryAfter }: Answer): Promise<void> => {
    if (statusCode >= 200 && statusCode < 300) return
    if (statusCode === GONE) {
      await channels
        .disable(channel.tenantId, channel.id, 'the receiver answered 410: it is gone')
        .catch(unlessGoneOrChanged)
      throw deliveryErrors.delivery_gone('the receiver answered 410: it is gone; its channel is disabled')
    }
    const retryAfterMs = parseRetryAfter(retryAfter, clock.now())
    const hint = statusCode >= 300 && statusCode < 400 ? '; redirects are not followed' : ''
    throw deliveryErrors.delivery_refused(
      `the receiver answered ${statusCode}${hint}`,
      retryAfterMs === undefined ? {} : { retryAfterMs },
    )
  }

  /** One call and its line in the log. The line is written before anybody is told how the call ended. */
  const attempt = async (channel: Channel, delivery: Delivery, call: TaskCall): Promise<void> => {
    const restMs = breaker.ask(channel.id)
    if (restMs > 0) {
      const wait = { retryAfterMs: restMs }
      throw deliveryErrors.channel_resting('the receiver did not answer lately: it is left alone for a while', wait)
    }
    const atMs = clock.now()
    let answer: Answer | undefined
    let failure: unknown
    try {
      answer = await send(channel, delivery, call.signal)
      await judge(channel, answer)
    } catch (error) {
      failure = error
    }
    if (!call.signal.aborted) breaker.told(channel.id, answer !== undefined && answer.statusCode < 500)
    const error = failure === undefined ? null : describe(failure)
    const line: DeliveryAttempt = {
      id: makeId(),
      tenantId: delivery.tenantId,
      deliveryId: delivery.id,
      attempt: call.attempt,
      atMs,
      durationMs: clock.now() - atMs,
      statusCode: answer?.statusCode ?? null,
      response: answer?.text ?? null,
      error,
    }
    await db.transaction(async (tx) => {
      const writes = makeDeliveryRepository(tx)
      await writes.addAttempt(line)
      // Known by now at the latest, so that the end of the task finds its delivery.
      await writes.setTask(delivery.tenantId, delivery.id, call.taskId)
      if (error === null) await writes.finish(delivery, 'delivered', null, clock.now())
      else await writes.setError(delivery, error)
    })
    if (failure !== undefined) throw failure
  }

  const skip = async (delivery: Delivery, reason: string): Promise<Json> => {
    await db.transaction((tx) => makeDeliveryRepository(tx).finish(delivery, 'skipped', reason, clock.now()))
    return { status: 'skipped', reason }
  }

  /** Tests and replays; what events bring is put there by the outbox. */
  const putInInbox = async (delivery: Delivery): Promise<void> => {
    await db.transaction(async (tx) => {
      const writes = makeDeliveryRepository(tx)
      await writes.addInboxItems([toInboxItem(delivery, JSON.parse(delivery.message) as Message)])
      await writes.finish(delivery, 'delivered', null, clock.now())
    })
  }

  return async (input, call) => {
    const id = String((input as { deliveryId?: unknown } | null)?.deliveryId)
    const delivery = await deliveries.delivery(call.tenantId, id)
    if (!delivery) throw deliveryErrors.delivery_unknown(`there is no delivery ${id}`)
    if (delivery.taskId !== null && delivery.taskId !== call.taskId)
      throw deliveryErrors.delivery_unknown(`the delivery ${id} belongs to another task`)
    // The process died between the delivery and the end of its task.
    if (delivery.status === 'delivered') return { status: 'delivered' }
    const channel = await notifications.channel(call.tenantId, delivery.channelId)
    if (channel?.status !== 'active') return skip(delivery, channel ? 'the channel is disabled' : 'the channel is gone')
    if (channel.config.kind === 'inbox') await putInInbox(delivery)
    else await attempt(channel, delivery, call)
    return { status: 'delivered' }
  }
}

/** The status has come: whatever happens to the body does not change how the receiver decided. */
const beginningOf = async (body: AsyncIterable<Uint8Array>): Promise<string> => {
  const chunks: Uint8Array[] = []
  let bytes = 0
  try {
    for await (const chunk of body) {
      chunks.push(chunk)
      bytes += chunk.length
      if (bytes >= RESPONSE_BYTES) break
    }
  } catch {
    // What came is enough.
  }
  // PostgreSQL keeps no NUL in a text.
  return Buffer.concat(chunks).toString('utf8').replaceAll('\u0000', '').slice(0, RESPONSE_CHARACTERS)
}

const describe = (error: unknown): string =>
  error instanceof AppError ? `${error.code}: ${error.message}` : messageOf(error)

/** Somebody changed or deleted the channel at the same moment; if it is still in use, the next 410 will disable it. */
const unlessGoneOrChanged = (error: unknown): void => {
  const isTheirs = error instanceof AppError && (error.code === 'channel_changed' || error.code === 'channel_not_found')
  if (!isTheirs) throw error
}
