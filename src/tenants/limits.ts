/** What each tenant may use: the installation's limits, and what the operator has set for single tenants instead. */
import { LRUCache } from 'lru-cache'
import type { Clock } from '../platform/clock.ts'
import type { Database } from '../platform/db/database.ts'
import { defineErrors } from '../platform/errors.ts'
import { writeEvent } from '../platform/events/write.ts'
import { makeTenantRepository } from './repository.ts'
import { makeLimitsRepository } from './repository-limits.ts'
import type { TenantLimits } from './tenant-limits.ts'

const limitErrors = defineErrors({ tenant_not_found: { status: 404 } })

export interface LimitsServiceOptions {
  readonly db: Database
  readonly clock: Clock
  /** What holds for tenants for whom nothing else is set. */
  readonly defaults: TenantLimits
  /** A change reaches other processes after this time. */
  readonly cacheMs?: number
}

export const makeLimitsService = ({ db, clock, defaults, cacheMs = 5000 }: LimitsServiceOptions) => {
  const cache = new LRUCache<string, { limits: TenantLimits; readAtMs: number }>({ max: 10_000 })

  const read = async (tenantId: string): Promise<TenantLimits> => {
    const own = await makeLimitsRepository(db.primary).own(tenantId)
    const limits = { ...defaults, ...own }
    cache.set(tenantId, { limits, readAtMs: clock.now() })
    return limits
  }

  const known = async (tenantId: string): Promise<void> => {
    if (await makeLimitsRepository(db.primary).exists(tenantId)) return
    throw limitErrors.tenant_not_found(`there is no tenant ${tenantId}`)
  }

  return {
    /** From memory mostly: for every request. */
    of(tenantId: string): TenantLimits | Promise<TenantLimits> {
      const entry = cache.get(tenantId)
      return entry && clock.now() - entry.readAtMs < cacheMs ? entry.limits : read(tenantId)
    },
    async show(tenantId: string): Promise<TenantLimits> {
      await known(tenantId)
      return read(tenantId)
    },
    /** Sets those that are given; null takes the installation's again. `check` sees what holds, as it is held for the change. */
    async change(
      tenantId: string,
      changes: { readonly [K in keyof TenantLimits]?: number | null | undefined },
      check?: (current: TenantLimits) => void,
    ): Promise<TenantLimits> {
      await known(tenantId)
      await db.transaction(async (tx) => {
        const repository = makeLimitsRepository(tx)
        // One at a time: each starts from what the one before has set.
        await makeTenantRepository(tx).lockTenant(tenantId)
        const before = await repository.own(tenantId)
        check?.({ ...defaults, ...before })
        const merged = { ...before, ...changes }
        const own = Object.fromEntries(Object.entries(merged).filter(([, value]) => typeof value === 'number'))
        const atMs = clock.now()
        await repository.setOwn(tenantId, own, atMs)
        const data = { limits: own as Record<string, number> }
        await writeEvent(tx, { tenantId, projectId: null, type: 'tenant.limits_changed', data, atMs })
      })
      return read(tenantId)
    },
  }
}

export type LimitsService = ReturnType<typeof makeLimitsService>
