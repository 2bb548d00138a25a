/** Refuses new work of a tenant whose daily quota is used up, at the routes that make work. What they were asked before is no new work. */
import type { FastifyInstance } from 'fastify'
import type { Quotas } from '../limits/quotas.ts'

const MAKES: Readonly<Record<string, 'run' | 'task'>> = { '/v1/runs': 'run', '/v1/tasks': 'task' }

export const addQuotaCheck = (server: FastifyInstance, quotas: Pick<Quotas, 'check'>): void => {
  server.addHook('preHandler', async (request) => {
    const wanted = request.method === 'POST' ? MAKES[request.routeOptions.url ?? ''] : undefined
    if (!wanted || !request.principal) return
    const { tenantId, projectId } = request.principal
    const { idempotencyKey } = (request.body ?? {}) as { readonly idempotencyKey?: string }
    await quotas.check({ tenantId, projectId, wanted, idempotencyKey })
  })
}
