/** Reads and writes of members' preferences. */
import type { Handle } from '../platform/db/database.ts'
import type { NotificationTables } from './schema.ts'
import type { MemberPreferences, Preferences } from './types.ts'

export const makePreferenceRepository = (handle: Handle) => {
  const db = handle.withTables<NotificationTables>()
  return {
    async find(tenantId: string, memberId: string): Promise<MemberPreferences | undefined> {
      const query = db.selectFrom('notification_preferences').selectAll().where('tenant_id', '=', tenantId)
      const row = await query.where('member_id', '=', memberId).executeTakeFirst()
      return row && { ...(JSON.parse(row.preferences) as Preferences), tenantId, memberId, updatedAtMs: row.updated_at }
    },
    /** Until the end of the transaction nobody else has them. */
    async lock(tenantId: string, memberId: string): Promise<void> {
      const lock = db.updateTable('notification_preferences').set((eb) => ({ updated_at: eb.ref('updated_at') }))
      await lock.where('tenant_id', '=', tenantId).where('member_id', '=', memberId).execute()
    },
    async set({ tenantId, memberId, updatedAtMs, ...preferences }: MemberPreferences): Promise<void> {
      const values = { preferences: JSON.stringify(preferences), updated_at: updatedAtMs }
      const insert = db
        .insertInto('notification_preferences')
        .values({ tenant_id: tenantId, member_id: memberId, ...values })
      await insert.onConflict((conflict) => conflict.columns(['tenant_id', 'member_id']).doUpdateSet(values)).execute()
    },
    /** False when there were none. */
    async remove(tenantId: string, memberId: string): Promise<boolean> {
      const remove = db.deleteFrom('notification_preferences').where('tenant_id', '=', tenantId)
      return (await remove.where('member_id', '=', memberId).executeTakeFirst()).numDeletedRows > 0n
    },
  }
}
