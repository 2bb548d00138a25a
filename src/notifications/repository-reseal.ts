/** The sealed parts of channels, of all tenants, for a change of the key that seals. */
import type { Handle } from '../platform/db/database.ts'
import type { NotificationTables } from './schema.ts'

export interface SealedConfig {
  readonly id: string
  readonly tenantId: string
  readonly projectId: string | null
  readonly name: string
  /** JSON, as it lies in the database. */
  readonly config: string
}

export const makeResealRepository = (handle: Handle) => {
  const db = handle.withTables<Pick<NotificationTables, 'channels'>>()
  return {
    /** In the order of their ids, after this one. */
    async configs(afterId: string, limit: number): Promise<SealedConfig[]> {
      const columns = ['id', 'tenant_id as tenantId', 'project_id as projectId', 'name', 'config'] as const
      const query = db.selectFrom('channels').select(columns).where('id', '>', afterId)
      return query.orderBy('id').limit(limit).execute()
    },
    /** Only while it is as it was read: a change made meanwhile stays. */
    async change(before: SealedConfig, config: string): Promise<void> {
      const update = db.updateTable('channels').set({ config }).where('id', '=', before.id)
      await update.where('config', '=', before.config).execute()
    },
  }
}
