/** Channels: made, changed, listed, removed. */
import { isDeepStrictEqual } from 'node:util'
import type { Clock } from '../platform/clock.ts'
import type { Database, Handle } from '../platform/db/database.ts'
import { isUniqueViolation } from '../platform/db/errors.ts'
import type { EventData, StandaloneEvent } from '../platform/events/event.ts'
import type { MakeId } from '../platform/ids.ts'
import type { Owner } from '../platform/scope.ts'
import type { SecretBox } from '../platform/secret-box.ts'
import { type ChannelChange, makeChannelConfigs } from './channel-config.ts'
import { placeOf } from './channel-secrets.ts'
import { notificationErrors } from './errors.ts'
import { type ListFilter, makeNotificationRepository } from './repository.ts'
import { intervalOf, makePaceRepository } from './repository-pace.ts'
import { makeTemplateRepository } from './repository-templates.ts'
import { type Channel, type ChannelConfig, type ChannelSettings, type NewChannel, PLAIN_SETTINGS } from './types.ts'
import { makeWebhookSecret } from './webhook.ts'
import type { WriteRoute } from './write-route.ts'

export interface ChannelOptions {
  readonly db: Database
  readonly clock: Clock
  readonly makeId: MakeId
  readonly box: SecretBox
  /** Whether the operator has set a mail server for channels that name none. */
  readonly hasMailServer: boolean
  readonly write: WriteRoute
}

/** A channel with a secret that is shown this once; null for a kind that has none. */
export interface ChannelWithSecret {
  readonly channel: Channel
  readonly secret: string | null
}

/** Of a channel, the new one included. */
const MOST_SECRETS = 5

export const makeChannels = (options: ChannelOptions) => {
  const { db, clock, makeId, box, write } = options
  const configs = makeChannelConfigs(options)
  const repository = makeNotificationRepository(db.primary)

  const eventOf = (channel: Channel, type: string, more: EventData = {}): StandaloneEvent => ({
    tenantId: channel.tenantId,
    projectId: channel.projectId,
    type,
    data: { channelId: channel.id, name: channel.name, kind: channel.config.kind, ...more },
    atMs: clock.now(),
  })

  const find = async (owner: Owner, id: string, at = repository): Promise<Channel> => {
    const channel = await at.channel(owner, id)
    if (!channel) throw notificationErrors.channel_not_found(`there is no channel ${id}`)
    return channel
  }

  const settingsOf = async (
    owner: Owner,
    kind: ChannelConfig['kind'],
    before: ChannelSettings,
    change: Partial<ChannelSettings> = {},
  ): Promise<ChannelSettings> => {
    const settings = { ...before, ...change }
    if (kind !== 'webhook' && settings.envelope !== 'standard')
      throw notificationErrors.channel_kind_wrong(`a channel of the kind ${kind} has no envelope`)
    if (kind === 'inbox' && settings.ratePerMinute !== null)
      throw notificationErrors.channel_kind_wrong('an inbox has no rate: nobody is called')
    if (kind === 'webhook' && settings.templateId !== null)
      throw notificationErrors.channel_kind_wrong('a webhook carries the whole event, and no template')
    const { templateId } = settings
    if (templateId !== null && !(await makeTemplateRepository(db.primary).find(owner, templateId)))
      throw notificationErrors.template_not_found(`there is no template ${templateId}`)
    return settings
  }

  const exists = (name: string, cause: unknown): unknown =>
    isUniqueViolation(cause) ? notificationErrors.channel_exists(`there is a channel "${name}" already`) : cause

  const create = async (
    tenantId: string,
    projectId: string | null,
    request: NewChannel,
  ): Promise<ChannelWithSecret> => {
    const [id, nowMs] = [makeId(), clock.now()]
    const { config, secret } = configs.make(id, request)
    const base = { id, tenantId, projectId, name: request.name, status: 'active', reason: null } as const
    const settings = await settingsOf({ tenantId, projectId }, request.kind, PLAIN_SETTINGS, request.settings)
    const channel: Channel = { ...base, config, settings, createdAtMs: nowMs, updatedAtMs: nowMs }
    const event = eventOf(channel, 'channel.created')
    try {
      await write(event, (tx) => makeNotificationRepository(tx).addChannel(channel))
    } catch (error) {
      throw exists(request.name, error)
    }
    return { channel, secret }
  }

  /** What waits for its time by the old rate gets one by the new. */
  const changeRate = (tx: Handle, { id, tenantId, settings, updatedAtMs: nowMs }: Channel): Promise<void> => {
    const intervalMs = settings.ratePerMinute === null ? 0 : intervalOf(settings.ratePerMinute)
    return makePaceRepository(tx).freeSlots(tenantId, id, nowMs, nowMs + intervalMs)
  }

  /** `before` is as it was read: a change made meanwhile by somebody else is not overwritten. */
  const change = async (before: Channel, change: Partial<Channel>, type: string, more: EventData = {}) => {
    // Later than before, whatever the clock says: two changes within a millisecond must not look like one.
    const after: Channel = { ...before, ...change, updatedAtMs: Math.max(clock.now(), before.updatedAtMs + 1) }
    try {
      await write(eventOf(after, type, more), async (tx) => {
        if (await makeNotificationRepository(tx).changeChannel(before, after)) {
          if (before.settings.ratePerMinute !== after.settings.ratePerMinute) await changeRate(tx, after)
          return
        }
        throw notificationErrors.channel_changed(
          `somebody else changed the channel "${before.name}" at the same moment; look at it and try again`,
        )
      })
    } catch (error) {
      throw exists(after.name, error)
    }
    return after
  }

  const update = async (
    owner: Owner,
    id: string,
    wish: ChannelChange,
    check?: (current: Channel) => void,
  ): Promise<Channel> => {
    const channel = await find(owner, id)
    check?.(channel)
    const { config, settings, name } = channel
    const wanted = {
      name: wish.name ?? name,
      config: configs.change(channel, wish),
      settings: await settingsOf(channel, config.kind, settings, wish.settings),
    }
    if (isDeepStrictEqual(wanted, { name, config, settings })) return channel
    return change(channel, wanted, 'channel.changed')
  }

  const rotate = async (owner: Owner, id: string, keepOldMs: number): Promise<ChannelWithSecret> => {
    const channel = await find(owner, id)
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

  const enable = async (owner: Owner, id: string): Promise<Channel> => {
    const channel = await find(owner, id)
    return channel.status === 'active'
      ? channel
      : change(channel, { status: 'active', reason: null }, 'channel.enabled')
  }

  /** Only as it was read: throws `channel_changed` when it is another one by now. */
  const disableAsRead = (channel: Channel, reason: string): Promise<Channel> =>
    change(channel, { status: 'disabled', reason }, 'channel.disabled', { reason })

  const disable = async (owner: Owner, id: string, reason: string): Promise<Channel> => {
    const channel = await find(owner, id)
    return channel.status === 'disabled' ? channel : disableAsRead(channel, reason)
  }

  const remove = async (owner: Owner, id: string, check?: (current: Channel) => void): Promise<void> => {
    const channel = await find(owner, id)
    await write(eventOf(channel, 'channel.deleted'), async (tx) => {
      const held = makeNotificationRepository(tx)
      await held.lockChannel(owner, id)
      const current = await find(owner, id, held)
      check?.(current)
      await held.deleteChannel(current.tenantId, id)
    })
  }

  return {
    find,
    list: (owner: Owner, filter: ListFilter) => repository.channels(owner, filter),
    create,
    update,
    rotate,
    enable,
    disable,
    disableAsRead,
    remove,
  }
}

export type Channels = ReturnType<typeof makeChannels>
