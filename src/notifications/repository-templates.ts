/** Reads and writes of templates. */
import type { Handle } from '../platform/db/database.ts'
import { olderThan } from '../platform/db/keyset.ts'
import type { CreatedCursor } from '../platform/http/page.ts'
import { type Owner, visibleTo } from '../platform/scope.ts'
import type { NotificationTables } from './schema.ts'
import type { Template } from './types.ts'

const toTemplate = (row: NotificationTables['notification_templates']): Template => ({
  id: row.id,
  tenantId: row.tenant_id,
  projectId: row.project_id,
  name: row.name,
  subject: row.subject,
  body: row.body,
  createdAtMs: row.created_at,
  updatedAtMs: row.updated_at,
})

export const makeTemplateRepository = (handle: Handle) => {
  const db = handle.withTables<NotificationTables>()
  const of = (owner: Owner) => db.selectFrom('notification_templates').selectAll().where(visibleTo(owner))
  return {
    async find(owner: Owner, id: string): Promise<Template | undefined> {
      const row = await of(owner).where('id', '=', id).executeTakeFirst()
      return row && toTemplate(row)
    },
    /** Newest first. */
    async list(owner: Owner, after: CreatedCursor | undefined, limit: number): Promise<Template[]> {
      let query = of(owner)
      if (after) query = query.where(olderThan(after))
      return (await query.orderBy('created_at', 'desc').orderBy('id', 'desc').limit(limit).execute()).map(toTemplate)
    },
    async add({ id, tenantId, projectId, name, subject, body, createdAtMs, updatedAtMs }: Template): Promise<void> {
      const times = { created_at: createdAtMs, updated_at: updatedAtMs }
      const row = { id, tenant_id: tenantId, project_id: projectId, name, subject, body, ...times }
      await db.insertInto('notification_templates').values(row).execute()
    },
    /** Until the end of the transaction nobody else has it. */
    async lock(owner: Owner, id: string): Promise<void> {
      const lock = db.updateTable('notification_templates').set((eb) => ({ name: eb.ref('name') }))
      await lock.where(visibleTo(owner)).where('id', '=', id).execute()
    },
    async change({ id, tenantId, name, subject, body, updatedAtMs }: Template): Promise<void> {
      const update = db.updateTable('notification_templates').set({ name, subject, body, updated_at: updatedAtMs })
      await update.where('tenant_id', '=', tenantId).where('id', '=', id).execute()
    },
    async remove(tenantId: string, id: string): Promise<void> {
      const remove = db.deleteFrom('notification_templates').where('tenant_id', '=', tenantId)
      await remove.where('id', '=', id).execute()
    },
  }
}
