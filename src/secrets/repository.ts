/** Reads and writes of secrets. */
import type { Handle } from '../platform/db/database.ts'
import { olderThan } from '../platform/db/keyset.ts'
import type { CreatedCursor } from '../platform/http/page.ts'
import type { SecretTables } from './schema.ts'
import type { SealedSecret } from './types.ts'

const toSecret = (row: SecretTables['secrets']): SealedSecret => ({
  id: row.id,
  tenantId: row.tenant_id,
  projectId: row.project_id === '' ? null : row.project_id,
  name: row.name,
  hosts: JSON.parse(row.hosts) as string[],
  version: row.version,
  sealed: row.sealed,
  keyId: row.key_id,
  createdAtMs: row.created_at,
  updatedAtMs: row.updated_at,
})

export interface SecretFilter {
  /** Those of this project and those of the whole tenant. */
  readonly projectId?: string | undefined
  readonly after?: CreatedCursor | undefined
  readonly limit: number
}

export const makeSecretRepository = (handle: Handle) => {
  const db = handle.withTables<SecretTables>()
  const of = (tenantId: string) => db.selectFrom('secrets').selectAll().where('tenant_id', '=', tenantId)
  return {
    async secret(tenantId: string, projectId: string | null, name: string): Promise<SealedSecret | undefined> {
      const row = await of(tenantId)
        .where('project_id', '=', projectId ?? '')
        .where('name', '=', name)
        .executeTakeFirst()
      return row && toSecret(row)
    },
    /** The project's own, or else the tenant's. */
    async nearest(tenantId: string, projectId: string | null, name: string): Promise<SealedSecret | undefined> {
      const places = projectId === null ? [''] : ['', projectId]
      const rows = of(tenantId).where('project_id', 'in', places).where('name', '=', name)
      const row = await rows.orderBy('project_id', 'desc').limit(1).executeTakeFirst()
      return row && toSecret(row)
    },
    /** Newest first. */
    async secrets(tenantId: string, { projectId, after, limit }: SecretFilter): Promise<SealedSecret[]> {
      let query = of(tenantId)
      if (projectId !== undefined) query = query.where('project_id', 'in', ['', projectId])
      if (after) query = query.where(olderThan(after))
      return (await query.orderBy('created_at', 'desc').orderBy('id', 'desc').limit(limit).execute()).map(toSecret)
    },
    async hasProject(tenantId: string, projectId: string): Promise<boolean> {
      const query = db.selectFrom('projects').select('id').where('tenant_id', '=', tenantId).where('id', '=', projectId)
      return (await query.executeTakeFirst()) !== undefined
    },
    async add(secret: SealedSecret): Promise<void> {
      const { id, tenantId, projectId, name, hosts, version, sealed, keyId, createdAtMs, updatedAtMs } = secret
      const where = { id, tenant_id: tenantId, project_id: projectId ?? '', name, hosts: JSON.stringify(hosts) }
      const what = { sealed, key_id: keyId, version, created_at: createdAtMs, updated_at: updatedAtMs }
      await db
        .insertInto('secrets')
        .values({ ...where, ...what })
        .execute()
    },
    /** Makes it `after`, if it still is the version before; false: somebody was quicker. */
    async change({ tenantId, id, hosts, version, sealed, keyId, updatedAtMs }: SealedSecret): Promise<boolean> {
      const set = { sealed, key_id: keyId, hosts: JSON.stringify(hosts), version, updated_at: updatedAtMs }
      const update = db.updateTable('secrets').set(set).where('tenant_id', '=', tenantId).where('id', '=', id)
      return (await update.where('version', '=', version - 1).executeTakeFirst()).numUpdatedRows > 0n
    },
    /** Until the end of the transaction nobody else has it. */
    async lock(tenantId: string, projectId: string | null, name: string): Promise<void> {
      const lock = db.updateTable('secrets').set((eb) => ({ version: eb.ref('version') }))
      const project = projectId ?? ''
      await lock.where('tenant_id', '=', tenantId).where('project_id', '=', project).where('name', '=', name).execute()
    },
    async remove(tenantId: string, id: string): Promise<void> {
      await db.deleteFrom('secrets').where('tenant_id', '=', tenantId).where('id', '=', id).execute()
    },

    /** Of all tenants: those under another key, in the order of their ids, after this one. */
    async underOtherKeys(keyId: string, limit: number, afterId: string): Promise<SealedSecret[]> {
      const query = db
        .selectFrom('secrets')
        .selectAll()
        .where((eb) => eb.or([eb('key_id', '<', keyId), eb('key_id', '>', keyId)]))
        .where('id', '>', afterId)
      return (await query.orderBy('id').limit(limit).execute()).map(toSecret)
    },
    /** Only while it is sealed as it was read: a value that was set meanwhile stays. */
    async reseal(before: SealedSecret, sealed: string, keyId: string): Promise<void> {
      const update = db.updateTable('secrets').set({ sealed, key_id: keyId }).where('id', '=', before.id)
      await update.where('sealed', '=', before.sealed).execute()
    },
  }
}
