/** Reads and writes of tenants, projects and keys. */
import type { Handle } from '../platform/db/database.ts'
import type { TenantTables } from './schema.ts'
import type { ApiKey, Project, Tenant } from './types.ts'

const toKey = (row: TenantTables['api_keys']): ApiKey => ({
  id: row.id,
  tenantId: row.tenant_id,
  projectId: row.project_id,
  name: row.name,
  scopes: JSON.parse(row.scopes) as string[],
  expiresAtMs: row.expires_at,
  revokedAtMs: row.revoked_at,
  lastUsedAtMs: row.last_used_at,
  createdAtMs: row.created_at,
})

const toProject = (row: TenantTables['projects']): Project => ({
  id: row.id,
  tenantId: row.tenant_id,
  name: row.name,
  createdAtMs: row.created_at,
})

export const makeTenantRepository = (handle: Handle) => {
  const db = handle.withTables<TenantTables>()
  return {
    async tenantByName(name: string): Promise<Tenant | undefined> {
      const row = await db.selectFrom('tenants').selectAll().where('name', '=', name).executeTakeFirst()
      return row && { id: row.id, name: row.name, createdAtMs: row.created_at }
    },
    /** For the operator. */
    async tenants(): Promise<Tenant[]> {
      const rows = await db.selectFrom('tenants').selectAll().orderBy('name').execute()
      return rows.map((row) => ({ id: row.id, name: row.name, createdAtMs: row.created_at }))
    },
    async addTenant(tenant: Tenant): Promise<void> {
      const { id, name, createdAtMs } = tenant
      await db.insertInto('tenants').values({ id, name, status: 'active', created_at: createdAtMs }).execute()
    },

    async addProject(project: Project): Promise<void> {
      const { id, tenantId, name, createdAtMs } = project
      await db.insertInto('projects').values({ id, tenant_id: tenantId, name, created_at: createdAtMs }).execute()
    },
    async projects(tenantId: string): Promise<Project[]> {
      const rows = await db
        .selectFrom('projects')
        .selectAll()
        .where('tenant_id', '=', tenantId)
        .orderBy('name')
        .execute()
      return rows.map(toProject)
    },
    async project(tenantId: string, id: string): Promise<Project | undefined> {
      const query = db.selectFrom('projects').selectAll().where('tenant_id', '=', tenantId).where('id', '=', id)
      const row = await query.executeTakeFirst()
      return row && toProject(row)
    },
    async projectByName(tenantId: string, name: string): Promise<Project | undefined> {
      const query = db.selectFrom('projects').selectAll().where('tenant_id', '=', tenantId).where('name', '=', name)
      const row = await query.executeTakeFirst()
      return row && toProject(row)
    },

    async addKey(key: ApiKey, hash: string): Promise<void> {
      await db
        .insertInto('api_keys')
        .values({
          id: key.id,
          tenant_id: key.tenantId,
          project_id: key.projectId,
          name: key.name,
          hash,
          scopes: JSON.stringify(key.scopes),
          expires_at: key.expiresAtMs,
          revoked_at: null,
          last_used_at: null,
          created_at: key.createdAtMs,
        })
        .execute()
    },
    /** For authentication, before the tenant is known. */
    async keyForLogin(id: string): Promise<{ key: ApiKey; hash: string } | undefined> {
      const row = await db.selectFrom('api_keys').selectAll().where('id', '=', id).executeTakeFirst()
      return row && { key: toKey(row), hash: row.hash }
    },
    async key(tenantId: string, id: string): Promise<ApiKey | undefined> {
      const query = db.selectFrom('api_keys').selectAll().where('tenant_id', '=', tenantId).where('id', '=', id)
      const row = await query.executeTakeFirst()
      return row && toKey(row)
    },
    async keys(tenantId: string): Promise<ApiKey[]> {
      const rows = await db
        .selectFrom('api_keys')
        .selectAll()
        .where('tenant_id', '=', tenantId)
        .orderBy('id', 'desc')
        .execute()
      return rows.map(toKey)
    },
    async revokeKey(tenantId: string, id: string, nowMs: number): Promise<void> {
      const update = db.updateTable('api_keys').set({ revoked_at: nowMs })
      await update.where('tenant_id', '=', tenantId).where('id', '=', id).where('revoked_at', 'is', null).execute()
    },
    async touchKey(id: string, nowMs: number): Promise<void> {
      await db.updateTable('api_keys').set({ last_used_at: nowMs }).where('id', '=', id).execute()
    },
  }
}
