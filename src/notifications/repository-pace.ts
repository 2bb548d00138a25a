/** Reads and writes that decide when something is sent, and whether: rates of channels, keys told of, digests. */
import { type SqlBool, sql } from 'kysely'
import type { Handle } from '../platform/db/database.ts'
import type { NotificationTables } from './schema.ts'
import type { Delivery } from './types.ts'

/** Deliveries that wait to be told together. */
export interface DigestGroup {
  readonly tenantId: string
  readonly digest: string
}

const MINUTE_MS = 60_000

/** Between two calls of a channel. */
export const intervalOf = (ratePerMinute: number): number => Math.ceil(MINUTE_MS / ratePerMinute)

export const makePaceRepository = (handle: Handle) => {
  const db = handle.withTables<NotificationTables>()
  return {
    /**
     * The next free time of a channel that may be called once in `intervalMs`, taken by this very call: processes that ask at the
     * same moment get one after the other.
     */
    async takeSlot(channelId: string, nowMs: number, intervalMs: number): Promise<number> {
      const row = await db
        .insertInto('channel_slots')
        .values({ channel_id: channelId, next_at: nowMs + intervalMs })
        .onConflict((conflict) =>
          conflict.column('channel_id').doUpdateSet((eb) => ({
            next_at: eb
              .case()
              .when('channel_slots.next_at', '>', nowMs)
              .then(eb('channel_slots.next_at', '+', intervalMs))
              .else(nowMs + intervalMs)
              .end(),
          })),
        )
        .returning('next_at')
        .executeTakeFirstOrThrow()
      return row.next_at - intervalMs
    },

    /** Takes the times back that a channel has given; what waits for one asks again, and gets the first at `firstMs` at the latest. */
    async freeSlots(tenantId: string, channelId: string, nowMs: number, firstMs: number): Promise<void> {
      const slots = db.updateTable('channel_slots').set({ next_at: firstMs }).where('channel_id', '=', channelId)
      await slots.where('next_at', '>', firstMs).execute()
      await db
        .updateTable('deliveries')
        .set({ slot_at: null, due_at: nowMs })
        .where('tenant_id', '=', tenantId)
        .where('channel_id', '=', channelId)
        .where('status', '=', 'pending')
        .where('task_id', 'is', null)
        .where('slot_at', 'is not', null)
        .execute()
    },

    /** What missed the time that its channel gave it asks for another one. */
    async dropSlots(deliveries: readonly Pick<Delivery, 'tenantId' | 'id'>[]): Promise<void> {
      for (const [tenantId, own] of Map.groupBy(deliveries, (delivery) => delivery.tenantId)) {
        const update = db.updateTable('deliveries').set({ slot_at: null }).where('tenant_id', '=', tenantId)
        const ids = own.map(({ id }) => id)
        await update.where('id', 'in', ids).where('task_id', 'is', null).execute()
      }
    },

    /** False when the key was told of, and its window has not passed. */
    async takeKey(subscriptionId: string, key: string, atMs: number, windowMs: number): Promise<boolean> {
      const untilMs = atMs + windowMs
      const row = await db
        .insertInto('notification_keys')
        .values({ subscription_id: subscriptionId, key, until_at: untilMs })
        .onConflict((conflict) =>
          conflict
            .columns(['subscription_id', 'key'])
            .doUpdateSet({ until_at: untilMs })
            .where('notification_keys.until_at', '<=', atMs),
        )
        .returning('key')
        .executeTakeFirst()
      return row !== undefined
    },
    async forgetKeys(nowMs: number): Promise<void> {
      await db.deleteFrom('notification_keys').where('until_at', '<=', nowMs).execute()
    },

    /** Those that are due; each is told in the order of its time. */
    async dueDigests(nowMs: number, limit: number): Promise<DigestGroup[]> {
      const rows = await db
        .selectFrom('deliveries')
        .select(['tenant_id', sql<string>`digest`.as('digest')])
        .distinct()
        .where('status', '=', 'pending')
        .where('digest', 'is not', null)
        .where('due_at', '<=', nowMs)
        .limit(limit)
        .execute()
      return rows.map((row) => ({ tenantId: row.tenant_id, digest: row.digest }))
    },
    /** The oldest of a group that are due. */
    async dueOf({ tenantId, digest }: DigestGroup, nowMs: number, limit: number): Promise<{ id: string }[]> {
      const due = sql<SqlBool>`status = 'pending' AND digest IS NOT NULL`
      const query = db.selectFrom('deliveries').select('id').where(due).where('tenant_id', '=', tenantId)
      return query
        .where('digest', '=', digest)
        .where('due_at', '<=', nowMs)
        .orderBy('due_at')
        .orderBy('id')
        .limit(limit)
        .execute()
    },
    /** How many of them still waited. */
    async markDigested(ids: readonly string[], { tenantId, id }: Delivery, atMs: number): Promise<number> {
      const result = await db
        .updateTable('deliveries')
        .set({ status: 'digested', digest_id: id, finished_at: atMs })
        .where('tenant_id', '=', tenantId)
        .where('id', 'in', ids)
        .where('status', '=', 'pending')
        .executeTakeFirst()
      return Number(result.numUpdatedRows)
    },
  }
}
