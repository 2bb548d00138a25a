/** Reads and writes of channels and subscriptions, and of the reader's cursor. */
import type { Handle } from '../platform/db/database.ts'
import { olderThan } from '../platform/db/keyset.ts'
import type { CreatedCursor } from '../platform/http/page.ts'
import { type Owner, visibleTo } from '../platform/scope.ts'
import type { Severity } from './catalogue.ts'
import { inParts } from './repository-deliveries.ts'
import type { NotificationTables } from './schema.ts'
import {
  type Channel,
  type ChannelConfig,
  type ChannelSettings,
  type ChannelStatus,
  PLAIN_SETTINGS,
  type Preferences,
  type Subscription,
} from './types.ts'

const toSettings = (text: string): ChannelSettings => ({
  ...PLAIN_SETTINGS,
  ...(JSON.parse(text) as Partial<ChannelSettings>),
})

const toChannel = (row: NotificationTables['channels']): Channel => ({
  id: row.id,
  tenantId: row.tenant_id,
  projectId: row.project_id,
  name: row.name,
  status: row.status as ChannelStatus,
  reason: row.reason,
  config: JSON.parse(row.config) as ChannelConfig,
  settings: toSettings(row.settings),
  createdAtMs: row.created_at,
  updatedAtMs: row.updated_at,
})

const toSubscription = (row: NotificationTables['subscriptions']): Subscription => ({
  id: row.id,
  tenantId: row.tenant_id,
  projectId: row.project_id,
  channelId: row.channel_id,
  types: JSON.parse(row.types) as string[],
  severity: row.severity as Severity,
  memberId: row.member_id,
  dedup: row.dedup_key === null ? null : { key: row.dedup_key, windowMs: row.dedup_window_ms ?? 0 },
  createdAtMs: row.created_at,
})

const ROUTES = 'notification-routes'

/** What belongs to a tenant, in one map. */
export const keyOf = (tenantId: string, id: string): string => `${tenantId} ${id}`

export type RouteChannel = Pick<Channel, 'id' | 'tenantId' | 'settings'> & { readonly kind: string }

export interface RouteRows {
  readonly subscriptions: readonly Subscription[]
  /** Those in use, by `keyOf`. */
  readonly channels: ReadonlyMap<string, RouteChannel>
  /** Of members, by `keyOf`. */
  readonly preferences: ReadonlyMap<string, Preferences>
}

export interface ListFilter {
  readonly channelId?: string | undefined
  readonly after?: CreatedCursor | undefined
  readonly limit: number
}

export const makeNotificationRepository = (handle: Handle) => {
  const db = handle.withTables<NotificationTables>()
  return {
    async channel(owner: Owner, id: string): Promise<Channel | undefined> {
      const query = db.selectFrom('channels').selectAll().where(visibleTo(owner)).where('id', '=', id)
      const row = await query.executeTakeFirst()
      return row && toChannel(row)
    },
    /** Newest first. */
    async channels(owner: Owner, { after, limit }: ListFilter): Promise<Channel[]> {
      let query = db.selectFrom('channels').selectAll().where(visibleTo(owner))
      if (after) query = query.where(olderThan(after))
      return (await query.orderBy('created_at', 'desc').orderBy('id', 'desc').limit(limit).execute()).map(toChannel)
    },
    async addChannel(channel: Channel): Promise<void> {
      const { id, tenantId, projectId, name, status, reason, config, settings, createdAtMs, updatedAtMs } = channel
      await db
        .insertInto('channels')
        .values({
          id,
          tenant_id: tenantId,
          project_id: projectId,
          name,
          kind: config.kind,
          status,
          reason,
          config: JSON.stringify(config),
          settings: JSON.stringify(settings),
          created_at: createdAtMs,
          updated_at: updatedAtMs,
        })
        .execute()
    },
    /** False when it is not as `before` any more: somebody else changed it. */
    async changeChannel(before: Channel, after: Channel): Promise<boolean> {
      const { name, status, reason, config, settings, updatedAtMs } = after
      const result = await db
        .updateTable('channels')
        .set({
          name,
          status,
          reason,
          config: JSON.stringify(config),
          settings: JSON.stringify(settings),
          updated_at: updatedAtMs,
        })
        .where('tenant_id', '=', before.tenantId)
        .where('id', '=', before.id)
        .where('status', '=', before.status)
        .where('config', '=', JSON.stringify(before.config))
        .where('updated_at', '=', before.updatedAtMs)
        .executeTakeFirst()
      return result.numUpdatedRows > 0n
    },
    /** Until the end of the transaction nobody else has it. */
    async lockChannel(owner: Owner, id: string): Promise<void> {
      const lock = db.updateTable('channels').set((eb) => ({ status: eb.ref('status') }))
      await lock.where(visibleTo(owner)).where('id', '=', id).execute()
    },
    /** With its subscriptions, and the times that its rate gave. */
    async deleteChannel(tenantId: string, id: string): Promise<void> {
      await db.deleteFrom('channel_slots').where('channel_id', '=', id).execute()
      const ofChannel = db.deleteFrom('subscriptions').where('tenant_id', '=', tenantId)
      await ofChannel.where('channel_id', '=', id).execute()
      await db.deleteFrom('channels').where('tenant_id', '=', tenantId).where('id', '=', id).execute()
    },

    async subscription(owner: Owner, id: string): Promise<Subscription | undefined> {
      const query = db.selectFrom('subscriptions').selectAll().where(visibleTo(owner)).where('id', '=', id)
      const row = await query.executeTakeFirst()
      return row && toSubscription(row)
    },
    /** Newest first. */
    async subscriptions(owner: Owner, { channelId, after, limit }: ListFilter): Promise<Subscription[]> {
      let query = db.selectFrom('subscriptions').selectAll().where(visibleTo(owner))
      if (channelId !== undefined) query = query.where('channel_id', '=', channelId)
      if (after) query = query.where(olderThan(after))
      const rows = await query.orderBy('created_at', 'desc').orderBy('id', 'desc').limit(limit).execute()
      return rows.map(toSubscription)
    },
    async addSubscription(subscription: Subscription): Promise<void> {
      const { id, tenantId, projectId, channelId, types, severity, memberId, dedup, createdAtMs } = subscription
      await db
        .insertInto('subscriptions')
        .values({
          id,
          tenant_id: tenantId,
          project_id: projectId,
          channel_id: channelId,
          types: JSON.stringify(types),
          severity,
          member_id: memberId,
          dedup_key: dedup?.key ?? null,
          dedup_window_ms: dedup?.windowMs ?? null,
          created_at: createdAtMs,
        })
        .execute()
    },
    async deleteSubscription(tenantId: string, id: string): Promise<void> {
      await db.deleteFrom('subscriptions').where('tenant_id', '=', tenantId).where('id', '=', id).execute()
    },
    /** Of all tenants: what the outbox matches events against. Channels in use alone. */
    async routes(): Promise<RouteRows> {
      const [subscriptions, channels, preferences] = await Promise.all([
        db.selectFrom('subscriptions').selectAll().execute(),
        db
          .selectFrom('channels')
          .select(['id', 'tenant_id', 'kind', 'settings'])
          .where('status', '=', 'active')
          .execute(),
        db.selectFrom('notification_preferences').selectAll().execute(),
      ])
      return {
        subscriptions: subscriptions.map(toSubscription),
        channels: new Map(
          channels.map(({ id, tenant_id: tenantId, kind, settings }) => [
            keyOf(tenantId, id),
            { id, tenantId, kind, settings: toSettings(settings) },
          ]),
        ),
        preferences: new Map(
          preferences.map((row) => [keyOf(row.tenant_id, row.member_id), JSON.parse(row.preferences) as Preferences]),
        ),
      }
    },

    /** 0 when there is none yet. */
    async cursor(name: string): Promise<number> {
      const query = db.selectFrom('cursors').select('position').where('name', '=', name)
      return (await query.executeTakeFirst())?.position ?? 0
    },
    async ensureCursor(name: string): Promise<void> {
      const insert = db.insertInto('cursors').values({ name, position: 0 })
      await insert.onConflict((conflict) => conflict.column('name').doNothing()).execute()
    },
    /** False when it is not at `from` any more: another process was quicker. */
    async moveCursor(name: string, from: number, to: number): Promise<boolean> {
      const update = db.updateTable('cursors').set({ position: to }).where('name', '=', name)
      return (await update.where('position', '=', from).executeTakeFirst()).numUpdatedRows > 0n
    },
    /** The edition of what `routes` gives. */
    routesEdition(): Promise<number> {
      return this.cursor(ROUTES)
    },
    /** Until the end of the transaction nobody changes what `routes` gives. */
    async holdRoutes(): Promise<void> {
      const lock = db.updateTable('cursors').set((eb) => ({ position: eb.ref('position') }))
      await lock.where('name', '=', ROUTES).execute()
    },
    /** Of all tenants: which of these are there. */
    async subscriptionsLeft(ids: readonly string[]): Promise<Set<string>> {
      const left = new Set<string>()
      for (const part of inParts(ids)) {
        const rows = await db.selectFrom('subscriptions').select('id').where('id', 'in', part).execute()
        for (const { id } of rows) left.add(id)
      }
      return left
    },
    /** Says to all processes that what they hold of `routes` in memory is old. */
    async bumpRoutes(): Promise<void> {
      const insert = db.insertInto('cursors').values({ name: ROUTES, position: 1 })
      await insert
        .onConflict((conflict) =>
          conflict.column('name').doUpdateSet((eb) => ({ position: eb('cursors.position', '+', 1) })),
        )
        .execute()
    },
  }
}

export type NotificationRepository = ReturnType<typeof makeNotificationRepository>
