/** Channels and subscriptions: made, changed, listed, removed. */
import { isDeepStrictEqual } from 'node:util'
import type { Clock } from '../platform/clock.ts'
import type { Database, Handle } from '../platform/db/database.ts'
import { isUniqueViolation } from '../platform/db/errors.ts'
import type { NewEvent } from '../platform/events/event.ts'
import { writeEvent } from '../platform/events/write.ts'
import type { MakeId } from '../platform/ids.ts'
import type { SecretBox } from '../platform/secret-box.ts'
import { CATALOGUE, covered, isPattern } from './catalogue.ts'
import { notificationErrors } from './errors.ts'
import { type ListFilter, makeNotificationRepository } from './repository.ts'
import type { Channel, ChannelConfig, NewChannel, NewSubscription, Subscription } from './types.ts'
import { makeWebhookSecret } from './webhook.ts'

/** The edition of what the outbox matches against; see outbox.ts. */
export const ROUTES = 'notification-routes'

export interface ChannelOptions {
  readonly db: Database
  readonly clock: Clock
  readonly makeId: MakeId
  readonly box: SecretBox
  /** Told after a change that the outbox must know of. */
  readonly changed: () => void
}

export interface ChannelChange {
  readonly name?: string | undefined
  readonly url?: string | undefined
}

/** A channel with a secret that is shown this once; null for a kind that has none. */
export interface ChannelWithSecret {
  readonly channel: Channel
  readonly secret: string | null
}

const MOST_SECRETS = 5

const checkUrl = (text: string): URL => {
  const url = URL.parse(text)
  if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:') || url.username !== '' || url.password !== '') {
    throw notificationErrors.channel_invalid(
      `the url of the channel must be an http or https address without user name and password`,
    )
  }
  return url
}

const placeOf = (id: string): string => `channel:${id}`

/** The signing secrets that count at a time, the newest first. */
export const secretsOf = (channel: Channel, box: SecretBox, nowMs: number): string[] => {
  if (channel.config.kind !== 'webhook') return []
  const valid = channel.config.secrets.filter(({ untilMs }) => untilMs === null || untilMs > nowMs)
  return valid.map(({ sealed }) => box.open(sealed, placeOf(channel.id)))
}

export const urlOf = ({ id, config }: Channel, box: SecretBox): string => {
  if (config.kind === 'inbox') throw new Error('an inbox has no address')
  return config.kind === 'webhook' ? config.url : box.open(config.sealedUrl, placeOf(id))
}

const checkTypes = (types: readonly string[]): void => {
  const wrong = types.find((pattern) => !isPattern(pattern) || covered(pattern).length === 0)
  if (wrong === undefined) return
  const known = Object.keys(CATALOGUE)
  const near = known.filter((name) => name.split('.')[0] === wrong.split('.')[0])
  throw notificationErrors.event_type_unknown(
    `no event type fits "${wrong}"; allowed: a type, or one with *, such as run.* or *.failed. ` +
      `Types: ${(near.length > 0 ? near : known).join(', ')}`,
  )
}

export const makeChannels = (options: ChannelOptions) => {
  const { db, clock, makeId, box, changed } = options
  const repository = makeNotificationRepository(db.primary)

  const eventOf = (channel: Channel, type: string, more: NewEvent['data'] = {}): NewEvent => ({
    tenantId: channel.tenantId,
    projectId: channel.projectId,
    runId: null,
    taskId: null,
    type,
    data: { channelId: channel.id, name: channel.name, kind: channel.config.kind, ...more },
    atMs: clock.now(),
  })

  /** All writes go through here: the change, its event and the new edition for the outbox of every process. */
  const write = async (event: NewEvent, work: (tx: Handle) => Promise<unknown>): Promise<void> => {
    await db.transaction(async (tx) => {
      await work(tx)
      await makeNotificationRepository(tx).bump(ROUTES)
      await writeEvent(tx, event)
    })
    changed()
  }

  const find = async (tenantId: string, id: string): Promise<Channel> => {
    const channel = await repository.channel(tenantId, id)
    if (!channel) throw notificationErrors.channel_not_found(`there is no channel ${id}`)
    return channel
  }

  const configOf = (id: string, request: NewChannel): { config: ChannelConfig; secret: string | null } => {
    if (request.kind === 'inbox') return { config: { kind: 'inbox' }, secret: null }
    const url = checkUrl(request.url)
    if (request.kind === 'slack') {
      return {
        config: { kind: 'slack', host: url.host, sealedUrl: box.seal(request.url, placeOf(id)) },
        secret: null,
      }
    }
    const secret = makeWebhookSecret()
    const secrets = [{ sealed: box.seal(secret, placeOf(id)), untilMs: null }]
    return { config: { kind: 'webhook', url: url.href, secrets }, secret }
  }

  const exists = (name: string, cause: unknown): unknown =>
    isUniqueViolation(cause) ? notificationErrors.channel_exists(`there is a channel "${name}" already`) : cause

  const create = async (
    tenantId: string,
    projectId: string | null,
    request: NewChannel,
  ): Promise<ChannelWithSecret> => {
    const [id, nowMs] = [makeId(), clock.now()]
    const { config, secret } = configOf(id, request)
    const base = { id, tenantId, projectId, name: request.name, status: 'active', reason: null } as const
    const channel: Channel = { ...base, config, createdAtMs: nowMs, updatedAtMs: nowMs }
    const event = eventOf(channel, 'channel.created')
    try {
      await write(event, (tx) => makeNotificationRepository(tx).addChannel(channel))
    } catch (error) {
      throw exists(request.name, error)
    }
    return { channel, secret }
  }

  /** `before` is as it was read: a change made meanwhile by somebody else is not overwritten. */
  const change = async (before: Channel, change: Partial<Channel>, type: string, more: NewEvent['data'] = {}) => {
    const after: Channel = { ...before, ...change, updatedAtMs: clock.now() }
    try {
      await write(eventOf(after, type, more), async (tx) => {
        if (await makeNotificationRepository(tx).changeChannel(before, after)) return
        throw notificationErrors.channel_changed(
          `somebody else changed the channel "${before.name}" at the same moment; look at it and try again`,
        )
      })
    } catch (error) {
      throw exists(after.name, error)
    }
    return after
  }

  const update = async (tenantId: string, id: string, { name, url }: ChannelChange): Promise<Channel> => {
    const channel = await find(tenantId, id)
    const { config } = channel
    if (url !== undefined && config.kind === 'inbox') {
      throw notificationErrors.channel_kind_wrong('an inbox has no url')
    }
    let next = config
    if (url !== undefined && config.kind === 'webhook') next = { ...config, url: checkUrl(url).href }
    if (url !== undefined && config.kind === 'slack') {
      next = { ...config, host: checkUrl(url).host, sealedUrl: box.seal(url, placeOf(id)) }
    }
    const wanted = { name: name ?? channel.name, config: next }
    if (isDeepStrictEqual(wanted, { name: channel.name, config })) return channel
    return change(channel, wanted, 'channel.changed')
  }

  const rotate = async (tenantId: string, id: string, keepOldMs: number): Promise<ChannelWithSecret> => {
    const channel = await find(tenantId, id)
    if (channel.config.kind !== 'webhook') {
      throw notificationErrors.channel_kind_wrong(`a channel of the kind ${channel.config.kind} signs nothing`)
    }
    const nowMs = clock.now()
    const untilMs = nowMs + keepOldMs
    const old = channel.config.secrets
      .map((secret) => ({ ...secret, untilMs: Math.min(secret.untilMs ?? untilMs, untilMs) }))
      .filter((secret) => secret.untilMs > nowMs)
    const secret = makeWebhookSecret()
    const secrets = [{ sealed: box.seal(secret, placeOf(id)), untilMs: null }, ...old].slice(0, MOST_SECRETS)
    return { channel: await change(channel, { config: { ...channel.config, secrets } }, 'channel.rotated'), secret }
  }

  const enable = async (tenantId: string, id: string): Promise<Channel> => {
    const channel = await find(tenantId, id)
    return channel.status === 'active'
      ? channel
      : change(channel, { status: 'active', reason: null }, 'channel.enabled')
  }

  const disable = async (tenantId: string, id: string, reason: string): Promise<Channel> => {
    const channel = await find(tenantId, id)
    return channel.status === 'disabled'
      ? channel
      : change(channel, { status: 'disabled', reason }, 'channel.disabled', { reason })
  }

  const remove = async (tenantId: string, id: string): Promise<void> => {
    const channel = await find(tenantId, id)
    await write(eventOf(channel, 'channel.deleted'), (tx) => makeNotificationRepository(tx).deleteChannel(tenantId, id))
  }

  const findSubscription = async (tenantId: string, id: string): Promise<Subscription> => {
    const subscription = await repository.subscription(tenantId, id)
    if (!subscription) throw notificationErrors.subscription_not_found(`there is no subscription ${id}`)
    return subscription
  }

  const subscriptionEvent = ({ id, tenantId, projectId, channelId, types }: Subscription, type: string): NewEvent => ({
    ...{ tenantId, projectId, runId: null, taskId: null, type, atMs: clock.now() },
    data: { subscriptionId: id, channelId, types: [...types] },
  })

  const subscribe = async (tenantId: string, request: NewSubscription): Promise<Subscription> => {
    checkTypes(request.types)
    await find(tenantId, request.channelId)
    const subscription = { ...request, id: makeId(), tenantId, createdAtMs: clock.now() }
    await write(subscriptionEvent(subscription, 'subscription.created'), (tx) =>
      makeNotificationRepository(tx).addSubscription(subscription),
    )
    return subscription
  }

  const unsubscribe = async (tenantId: string, id: string): Promise<void> => {
    const subscription = await findSubscription(tenantId, id)
    await write(subscriptionEvent(subscription, 'subscription.deleted'), (tx) =>
      makeNotificationRepository(tx).deleteSubscription(tenantId, id),
    )
  }

  return {
    find,
    list: (tenantId: string, filter: ListFilter) => repository.channels(tenantId, filter),
    create,
    update,
    rotate,
    enable,
    disable,
    remove,
    findSubscription,
    subscriptions: (tenantId: string, filter: ListFilter) => repository.subscriptions(tenantId, filter),
    subscribe,
    unsubscribe,
  }
}

export type Channels = ReturnType<typeof makeChannels>
