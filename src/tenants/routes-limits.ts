/** HTTP routes of limits: a tenant sees its own, the operator sets them. */
import { z } from 'zod'
import { ifMatch, sendTagged } from '../platform/http/etag.ts'
import type { Routes } from '../platform/http/server.ts'
import { idSchema } from '../platform/http/views.ts'
import type { LimitsService } from './limits.ts'
import type { TenantLimits } from './tenant-limits.ts'

const tags = ['tenants']
const limit = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER).nullable().optional()
const changes = z
  .strictObject({
    requestsPerMinute: limit,
    requestsPerMinutePerKey: limit,
    requestsUnderWay: limit,
    runsPerDay: limit,
    tasksPerDay: limit,
    tokensPerDay: limit,
    costPerDay: limit,
    storagePerDay: limit,
  })
  .describe("0: no limit; null: the installation's own again. `costPerDay` is in millionths of the currency.")

const stateOf = (limits: TenantLimits) => ({ fields: Object.entries(limits).sort() })

/** Today's, as the quotas count it. */
interface DayUsage {
  usage(tenantId: string): Promise<Readonly<Record<'runs' | 'tasks' | 'tokens' | 'cost' | 'storage', number>>>
}

export interface LimitRoutesOptions {
  readonly limits: LimitsService
  readonly quotas: DayUsage
}

export const makeLimitRoutes =
  ({ limits, quotas }: LimitRoutesOptions): Routes =>
  (server) => {
    server.get(
      '/v1/limits',
      {
        config: { permission: 'projects:read' },
        schema: { tags, summary: 'What this tenant may use, and what it has used today' },
      },
      async (request) => {
        const { tenantId } = request.principal
        return { limits: await limits.show(tenantId), today: await quotas.usage(tenantId) }
      },
    )

    const params = z.object({ id: idSchema })
    server.get(
      '/v1/tenants/:id/limits',
      {
        config: { permission: 'tenants:read', conditional: true },
        schema: { tags, summary: 'What a tenant may use (operator)', params },
      },
      async (request, reply) => {
        const shown = await limits.show(request.params.id)
        return sendTagged(request, reply, stateOf(shown), shown)
      },
    )
    server.patch(
      '/v1/tenants/:id/limits',
      {
        config: { permission: 'tenants:write', conditional: true },
        schema: { tags, summary: 'Set what a tenant may use (operator)', params, body: changes },
      },
      async (request, reply) => {
        const shown = await limits.change(request.params.id, request.body, ifMatch(request, stateOf))
        return sendTagged(request, reply, stateOf(shown), shown)
      },
    )
  }
