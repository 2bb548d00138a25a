/** Reads and writes of tenants' own limits. */
import type { Handle } from '../platform/db/database.ts'
import type { TenantLimits } from './tenant-limits.ts'

type Tables = {
  tenants: { id: string }
  tenant_limits: { tenant_id: string; limits: string; updated_at: number }
}

export const makeLimitsRepository = (handle: Handle) => {
  const db = handle.withTables<Tables>()
  return {
    async exists(tenantId: string): Promise<boolean> {
      return (await db.selectFrom('tenants').select('id').where('id', '=', tenantId).executeTakeFirst()) !== undefined
    },
    /** Only what was set for this tenant. */
    async own(tenantId: string): Promise<Partial<TenantLimits>> {
      const query = db.selectFrom('tenant_limits').select('limits').where('tenant_id', '=', tenantId)
      const row = await query.executeTakeFirst()
      return row ? (JSON.parse(row.limits) as Partial<TenantLimits>) : {}
    },
    async setOwn(tenantId: string, limits: Partial<TenantLimits>, nowMs: number): Promise<void> {
      const values = { limits: JSON.stringify(limits), updated_at: nowMs }
      await db
        .insertInto('tenant_limits')
        .values({ tenant_id: tenantId, ...values })
        .onConflict((conflict) => conflict.column('tenant_id').doUpdateSet(values))
        .execute()
    },
  }
}
