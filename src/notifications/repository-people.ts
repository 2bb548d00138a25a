/** What there is for one member, and its end. */
import type { Handle } from '../platform/db/database.ts'
import type { NotificationTables } from './schema.ts'
import type { Subscription } from './types.ts'

type Ended = Pick<Subscription, 'id' | 'projectId' | 'channelId' | 'types'>

export const makePeopleRepository = (handle: Handle) => {
  const db = handle.withTables<NotificationTables>()
  return {
    async removeSubscriptions(tenantId: string, memberId: string): Promise<Ended[]> {
      const remove = db.deleteFrom('subscriptions').where('tenant_id', '=', tenantId).where('member_id', '=', memberId)
      const rows = await remove.returning(['id', 'project_id', 'channel_id', 'types']).execute()
      return rows.map((row) => ({
        id: row.id,
        projectId: row.project_id,
        channelId: row.channel_id,
        types: JSON.parse(row.types) as string[],
      }))
    },
    async removePreferences(tenantId: string, memberId: string): Promise<void> {
      const remove = db.deleteFrom('notification_preferences').where('tenant_id', '=', tenantId)
      await remove.where('member_id', '=', memberId).execute()
    },
    async removeItems(tenantId: string, memberId: string): Promise<void> {
      await db.deleteFrom('inbox').where('tenant_id', '=', tenantId).where('member_id', '=', memberId).execute()
    },
    /** All deliveries that have not ended: those with a task end at its next try. */
    async skipPending(tenantId: string, memberId: string, reason: string, atMs: number): Promise<void> {
      await db
        .updateTable('deliveries')
        .set({ status: 'skipped', error: reason, finished_at: atMs })
        .where('tenant_id', '=', tenantId)
        .where('member_id', '=', memberId)
        .where('status', '=', 'pending')
        .execute()
    },
  }
}
