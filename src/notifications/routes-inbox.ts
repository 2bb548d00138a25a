/** HTTP routes of the inbox. */
import { z } from 'zod'
import { pageQuery, readPage } from '../platform/http/page.ts'
import type { HttpServer } from '../platform/http/server.ts'
import { idSchema, toTime, toTimeOrNull } from '../platform/http/views.ts'
import { streamInbox } from './inbox-stream.ts'
import type { NotificationService } from './service.ts'
import type { InboxItem } from './types.ts'

const itemView = (item: InboxItem) => ({
  id: item.id,
  channelId: item.channelId,
  projectId: item.projectId,
  memberId: item.memberId,
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
const scope = {
  projectId: idSchema.optional(),
  memberId: idSchema.optional().describe('Only what was told to this member.'),
}
const listQuery = z.strictObject({ unread: z.enum(['true', 'false']).optional(), ...scope, ...pageQuery })
const streamQuery = z.strictObject({
  ...scope,
  after: z.coerce.number().int().min(0).optional().describe('As Last-Event-ID: what came after it first.'),
})

export const addInboxRoutes = (server: HttpServer, notifications: NotificationService): void => {
  const tags = ['inbox']
  const { inbox, hub } = notifications
  server.get(
    '/v1/inbox',
    {
      config: READ,
      schema: { tags, summary: 'List the inbox, newest first, and how much is unread', querystring: listQuery },
    },
    async ({ principal, query }) => {
      const { projectId, memberId } = query
      const isUnread = query.unread === undefined ? undefined : query.unread === 'true'
      const [page, unread] = await Promise.all([
        readPage(query, (filter) => inbox.items(principal, { ...filter, isUnread }), itemView),
        inbox.unreadCount(principal, { projectId, memberId }),
      ])
      return { ...page, unread }
    },
  )
  server.get(
    '/v1/inbox/stream',
    {
      config: READ,
      schema: {
        tags,
        summary: 'The inbox live, as server-sent events: added, read, unread, all_read',
        querystring: streamQuery,
      },
    },
    (request, reply) => {
      const { projectId, memberId } = request.query
      return streamInbox(request, reply, {
        ...{ hub, inbox, owner: request.principal, view: itemView },
        wants: (item) =>
          (projectId === undefined || item.projectId === projectId) &&
          (memberId === undefined || item.memberId === memberId),
      })
    },
  )
  server.post(
    '/v1/inbox/read',
    { config: WRITE, schema: { tags, summary: 'Mark all as read', querystring: z.strictObject(scope) } },
    async (request) => ({ count: await inbox.setAllRead(request.principal, request.query) }),
  )
  for (const [action, isRead] of [
    ['read', true],
    ['unread', false],
  ] as const) {
    server.post(
      `/v1/inbox/:id/${action}`,
      { config: WRITE, schema: { tags, summary: `Mark as ${action}`, params } },
      async (request) => itemView(await inbox.setRead(request.principal, request.params.id, isRead)),
    )
  }
}
