/** HTTP routes of the delivery log. */
import { z } from 'zod'
import { pageQuery, readPage } from '../platform/http/page.ts'
import type { HttpServer } from '../platform/http/server.ts'
import { idSchema, timeSchema, toTime, toTimeOrNull } from '../platform/http/views.ts'
import type { NotificationService } from './service.ts'
import { DELIVERY_STATUSES, type Delivery, type DeliveryAttempt } from './types.ts'

export const deliveryView = (delivery: Delivery) => ({
  id: delivery.id,
  channelId: delivery.channelId,
  subscriptionId: delivery.subscriptionId,
  projectId: delivery.projectId,
  cause: delivery.cause,
  type: delivery.type,
  messageId: delivery.messageId,
  status: delivery.status,
  error: delivery.error,
  taskId: delivery.taskId,
  memberId: delivery.memberId,
  digestId: delivery.digestId,
  dueAt: toTime(delivery.dueAtMs === 0 ? delivery.createdAtMs : delivery.dueAtMs),
  createdAt: toTime(delivery.createdAtMs),
  finishedAt: toTimeOrNull(delivery.finishedAtMs),
})

const attemptView = (attempt: DeliveryAttempt) => ({
  attempt: attempt.attempt,
  at: toTime(attempt.atMs),
  durationMs: attempt.durationMs,
  request: attempt.request === null ? null : (JSON.parse(attempt.request) as unknown),
  statusCode: attempt.statusCode,
  response: attempt.response,
  error: attempt.error,
})

const timeOf = (text: string | undefined): number | undefined => (text === undefined ? undefined : Date.parse(text))

const params = z.object({ id: idSchema })
const READ = { permission: 'notifications:read' } as const
const WRITE = { permission: 'notifications:write' } as const
const listQuery = z.strictObject({
  channelId: idSchema.optional(),
  status: z.enum(DELIVERY_STATUSES).optional(),
  type: z.string().max(100).optional(),
  ...pageQuery,
})
const replayBody = z.strictObject({
  channelId: idSchema,
  status: z.enum(['delivered', 'failed', 'skipped', 'digested']).default('failed'),
  from: timeSchema.optional(),
  to: timeSchema.optional(),
})

export const addDeliveryRoutes = (server: HttpServer, notifications: NotificationService): void => {
  const tags = ['deliveries']
  server.get(
    '/v1/deliveries',
    { config: READ, schema: { tags, summary: 'List deliveries, newest first', querystring: listQuery } },
    async ({ principal, query }) =>
      readPage(query, (filter) => notifications.deliveries(principal, filter), deliveryView),
  )
  server.get(
    '/v1/deliveries/:id',
    { config: READ, schema: { tags, summary: 'A delivery: what was sent, and every try', params } },
    async (request) => {
      const delivery = await notifications.find(request.principal, request.params.id)
      const attempts = await notifications.attempts(delivery.tenantId, delivery.id)
      return {
        ...deliveryView(delivery),
        message: JSON.parse(delivery.message) as unknown,
        attempts: attempts.map(attemptView),
      }
    },
  )
  server.post(
    '/v1/deliveries/replay',
    {
      config: WRITE,
      schema: { tags, summary: 'Send a range of ended deliveries of a channel again', body: replayBody },
    },
    async (request) => {
      const { channelId, status, from, to } = request.body
      const filter = { channelId, status, fromMs: timeOf(from), toMs: timeOf(to) }
      return { count: await notifications.replayMany(request.principal, filter) }
    },
  )
  server.post(
    '/v1/deliveries/:id/replay',
    { config: WRITE, schema: { tags, summary: 'Send it again, as a delivery of its own, with the same id', params } },
    async (request, reply) =>
      reply.code(202).send(deliveryView(await notifications.replay(request.principal, request.params.id))),
  )
}
