/** Reads and writes of tenants, projects and keys. */
import type { Handle } from '../platform/db/database.ts'
import { olderThan } from '../platform/db/keyset.ts'
import type { CreatedCursor } from '../platform/http/page.ts'
import { type Owner, toScope, visibleTo } from '../platform/scope.ts'
import { NO_HASH } from './keys.ts'
import type { Role } from './roles.ts'
import type { TenantTables } from './schema.ts'
import type { ApiKey, KeyHashes, Project, Tenant } from './types.ts'

/** Of lists, newest first. */
export interface PageFilter {
  readonly after?: CreatedCursor | undefined
  readonly limit: number
}

const toTenant = (row: TenantTables['tenants']): Tenant => ({
  id: row.id,
  name: row.name,
  createdAtMs: row.created_at,
})

const toKey = (row: TenantTables['api_keys']): ApiKey => ({
  id: row.id,
  tenantId: row.tenant_id,
  projectId: row.project_id,
  name: row.name,
  role: row.role as Role | null,
  scopes: JSON.parse(row.scopes) as string[],
  expiresAtMs: row.expires_at,
  revokedAtMs: row.revoked_at,
  rotatedAtMs: row.rotated_at,
  previousUntilMs: row.previous_until,
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
      return row && toTenant(row)
    },
    /** For the operator. */
    async tenants({ after, limit }: PageFilter): Promise<Tenant[]> {
      let query = db.selectFrom('tenants').selectAll()
      if (after) query = query.where(olderThan(after))
      return (await query.orderBy('created_at', 'desc').orderBy('id', 'desc').limit(limit).execute()).map(toTenant)
    },
    async addTenant(tenant: Tenant): Promise<void> {
      const { id, name, createdAtMs } = tenant
      await db.insertInto('tenants').values({ id, name, status: 'active', created_at: createdAtMs }).execute()
    },

    /** Until the end of the transaction nobody else has it. */
    async lockTenant(id: string): Promise<void> {
      await db
        .updateTable('tenants')
        .set((eb) => ({ status: eb.ref('status') }))
        .where('id', '=', id)
        .execute()
    },

    async addProject(project: Project): Promise<void> {
      const { id, tenantId, name, createdAtMs } = project
      await db.insertInto('projects').values({ id, tenant_id: tenantId, name, created_at: createdAtMs }).execute()
    },
    async projects(owner: Owner, { after, limit }: PageFilter): Promise<Project[]> {
      const { tenantId, projectId } = toScope(owner)
      let query = db.selectFrom('projects').selectAll().where('tenant_id', '=', tenantId)
      if (projectId !== null) query = query.where('id', '=', projectId)
      if (after) query = query.where(olderThan(after))
      return (await query.orderBy('created_at', 'desc').orderBy('id', 'desc').limit(limit).execute()).map(toProject)
    },
    async project(tenantId: string, id: string): Promise<Project | undefined> {
      const query = db.selectFrom('projects').selectAll().where('tenant_id', '=', tenantId).where('id', '=', id)
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
          role: key.role,
          previous_hash: null,
          previous_until: null,
          rotated_at: null,
        })
        .execute()
    },
    /**
     * What a key's secret is held against, before anything else is known. For an id that does not exist the key before it is read, the
     * same way, so that the time of the answer does not tell the two apart. Only before the very first key there is none.
     */
    async hashesOf(id: string): Promise<KeyHashes> {
      const nearest = db.selectFrom('api_keys').select(['id', 'hash', 'previous_hash']).where('id', '<=', id)
      const row = await nearest.orderBy('id', 'desc').limit(1).executeTakeFirst()
      const isIt = row?.id === id
      return { hash: isIt ? row.hash : NO_HASH, previousHash: (isIt && row.previous_hash) || NO_HASH }
    },
    /** Of whoever has shown that it knows the secret. */
    async keyForLogin(id: string): Promise<ApiKey | undefined> {
      const row = await db.selectFrom('api_keys').selectAll().where('id', '=', id).executeTakeFirst()
      return row && toKey(row)
    },
    async tenant(id: string): Promise<Tenant | undefined> {
      const row = await db.selectFrom('tenants').selectAll().where('id', '=', id).executeTakeFirst()
      return row && toTenant(row)
    },
    async key(owner: Owner, id: string): Promise<ApiKey | undefined> {
      const query = db.selectFrom('api_keys').selectAll().where(visibleTo(owner)).where('id', '=', id)
      const row = await query.executeTakeFirst()
      return row && toKey(row)
    },
    async keys(owner: Owner, { after, limit }: PageFilter): Promise<ApiKey[]> {
      let query = db.selectFrom('api_keys').selectAll().where(visibleTo(owner))
      if (after) query = query.where(olderThan(after))
      return (await query.orderBy('created_at', 'desc').orderBy('id', 'desc').limit(limit).execute()).map(toKey)
    },
    /** False when it is revoked already. */
    async revokeKey(tenantId: string, id: string, nowMs: number): Promise<boolean> {
      const update = db.updateTable('api_keys').set({ revoked_at: nowMs }).where('tenant_id', '=', tenantId)
      const result = await update.where('id', '=', id).where('revoked_at', 'is', null).executeTakeFirst()
      return result.numUpdatedRows > 0n
    },
    /** The secret that counts now becomes the one before; false when it is revoked. */
    async rotateKey(tenantId: string, id: string, hash: string, untilMs: number, nowMs: number): Promise<boolean> {
      const result = await db
        .updateTable('api_keys')
        .set((eb) => ({ previous_hash: eb.ref('hash'), previous_until: untilMs, hash, rotated_at: nowMs }))
        .where('tenant_id', '=', tenantId)
        .where('id', '=', id)
        .where('revoked_at', 'is', null)
        .executeTakeFirst()
      return result.numUpdatedRows > 0n
    },
    /** Unless somebody else wrote it lately. */
    async touchKey(id: string, nowMs: number, everyMs: number): Promise<void> {
      await db
        .updateTable('api_keys')
        .set({ last_used_at: nowMs })
        .where('id', '=', id)
        .where((eb) => eb.or([eb('last_used_at', 'is', null), eb('last_used_at', '<=', nowMs - everyMs)]))
        .execute()
    },
  }
}

export type TenantRepository = ReturnType<typeof makeTenantRepository>
