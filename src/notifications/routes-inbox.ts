/** HTTP routes of the inbox. */
import { z } from 'zod'
import { pageQuery, readCursor, toPage } from '../platform/http/page.ts'
import type { HttpServer } from '../platform/http/server.ts'
import { idSchema, toTime, toTimeOrNull } from '../platform/http/views.ts'
import type { NotificationService } from './service.ts'
import type { InboxItem } from './types.ts'

const itemView = (item: InboxItem) => ({
  id: item.id,
  channelId: item.channelId,
  projectId: item.projectId,
  type: item.type,
  severity: item.severity,
  title: item.title,
  message: JSON.parse(item.message) as unknown,
  readAt: toTimeOrNull(item.readAtMs),
  createdAt: toTime(item.createdAtMs),
})

const params = z.object({ id: idSchema })
const READ = { permission: 'notifications:read' } as const
const WRITE = { permission: 'notifications:write' } as const
const listQuery = z.strictObject({
  unread: z.enum(['true', 'false']).optional(),
  projectId: idSchema.optional(),
  ...pageQuery,
})

export const addInboxRoutes = (server: HttpServer, notifications: NotificationService): void => {
  const tags = ['inbox']
  server.get(
    '/v1/inbox',
    {
      config: READ,
      schema: { tags, summary: 'List the inbox, newest first, and how much is unread', querystring: listQuery },
    },
    async (request) => {
      const { unread, projectId, limit, cursor } = request.query
      const { tenantId } = request.principal
      const isUnread = unread === undefined ? undefined : unread === 'true'
      const filter = { isUnread, projectId, after: readCursor(cursor), limit: limit + 1 }
      const [items, unreadCount] = await Promise.all([
        notifications.inbox(tenantId, filter),
        notifications.unreadCount(tenantId),
      ])
      return { ...toPage(items, limit, itemView), unread: unreadCount }
    },
  )
  server.post('/v1/inbox/read', { config: WRITE, schema: { tags, summary: 'Mark all as read' } }, async (request) => ({
    count: await notifications.setAllRead(request.principal.tenantId),
  }))
  for (const [action, isRead] of [
    ['read', true],
    ['unread', false],
  ] as const) {
    server.post(
      `/v1/inbox/:id/${action}`,
      { config: WRITE, schema: { tags, summary: `Mark as ${action}`, params } },
      async (request) => itemView(await notifications.setRead(request.principal.tenantId, request.params.id, isRead)),
    )
  }
}
