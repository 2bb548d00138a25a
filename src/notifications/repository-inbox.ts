/** Reads and writes of the inbox, and reads of the events that tell of it. */
import { type SqlBool, sql } from 'kysely'
import { countRows } from '../platform/db/count.ts'
import type { Handle } from '../platform/db/database.ts'
import { olderThan } from '../platform/db/keyset.ts'
import type { Event } from '../platform/events/event.ts'
import { type EventTables, toEvent } from '../platform/events/log.ts'
import type { CreatedCursor } from '../platform/http/page.ts'
import { type Owner, ownedBy } from '../platform/scope.ts'
import type { Severity } from './catalogue.ts'
import { inParts } from './repository-deliveries.ts'
import type { NotificationTables } from './schema.ts'
import type { InboxItem } from './types.ts'

const toInboxItem = (row: NotificationTables['inbox']): InboxItem => ({
  id: row.id,
  tenantId: row.tenant_id,
  projectId: row.project_id,
  channelId: row.channel_id,
  type: row.type,
  severity: row.severity as Severity,
  title: row.title,
  message: row.message,
  memberId: row.member_id,
  readAtMs: row.read_at,
  createdAtMs: row.created_at,
})

/** Whose items: everybody's and one's own, or only that member's. */
export interface InboxScope {
  readonly memberId?: string | undefined
  readonly projectId?: string | undefined
}

export interface InboxFilter extends InboxScope {
  readonly isUnread?: boolean | undefined
  readonly after?: CreatedCursor | undefined
  readonly limit: number
}

/** Word for word as in `idx_events_inbox`: only then the index serves. */
const OF_INBOX = sql<SqlBool>`type IN ('inbox.added', 'inbox.read', 'inbox.unread', 'inbox.all_read')`

export const eventsOfInbox = (handle: Handle, owner: Owner) =>
  handle.withTables<EventTables>().selectFrom('events').where(ownedBy(owner)).where(OF_INBOX)

export const makeInboxRepository = (handle: Handle) => {
  const db = handle.withTables<NotificationTables>()
  return {
    /** One that is there already stays as it is. */
    async addItems(items: readonly InboxItem[]): Promise<void> {
      for (const part of inParts(items)) {
        const rows = part.map((item) => ({
          id: item.id,
          tenant_id: item.tenantId,
          project_id: item.projectId,
          channel_id: item.channelId,
          type: item.type,
          severity: item.severity,
          title: item.title,
          message: item.message,
          member_id: item.memberId,
          read_at: item.readAtMs,
          created_at: item.createdAtMs,
        }))
        const insert = db.insertInto('inbox').values(rows)
        await insert.onConflict((conflict) => conflict.column('id').doNothing()).execute()
      }
    },
    /** Newest first. */
    async items(owner: Owner, { isUnread, projectId, memberId, after, limit }: InboxFilter): Promise<InboxItem[]> {
      let query = db.selectFrom('inbox').selectAll().where(ownedBy(owner))
      if (isUnread === true) query = query.where('read_at', 'is', null)
      if (isUnread === false) query = query.where('read_at', 'is not', null)
      if (projectId !== undefined) query = query.where('project_id', '=', projectId)
      if (memberId !== undefined) query = query.where('member_id', '=', memberId)
      if (after) query = query.where(olderThan(after))
      return (await query.orderBy('created_at', 'desc').orderBy('id', 'desc').limit(limit).execute()).map(toInboxItem)
    },
    async item(owner: Owner, id: string): Promise<InboxItem | undefined> {
      const query = db.selectFrom('inbox').selectAll().where(ownedBy(owner)).where('id', '=', id)
      const row = await query.executeTakeFirst()
      return row && toInboxItem(row)
    },
    /** In the order of their making; those that are gone are left out. */
    async itemsById(owner: Owner, ids: readonly string[]): Promise<InboxItem[]> {
      if (ids.length === 0) return []
      const query = db.selectFrom('inbox').selectAll().where(ownedBy(owner)).where('id', 'in', ids)
      return (await query.orderBy('created_at').orderBy('id').execute()).map(toInboxItem)
    },
    /** What the log has of the inbox, in the order of its ids. */
    async eventsAfter(owner: Owner, afterId: number, limit: number): Promise<Event[]> {
      const query = eventsOfInbox(handle, owner).selectAll().where('id', '>', afterId)
      return (await query.orderBy('id').limit(limit).execute()).map(toEvent)
    },
    /** 0 when the log has none. */
    async lastEventId(owner: Owner): Promise<number> {
      const query = eventsOfInbox(handle, owner).select('id').orderBy('id', 'desc').limit(1)
      return (await query.executeTakeFirst())?.id ?? 0
    },
    async setRead(tenantId: string, id: string, readAtMs: number | null): Promise<void> {
      const update = db.updateTable('inbox').set({ read_at: readAtMs }).where('tenant_id', '=', tenantId)
      await update.where('id', '=', id).execute()
    },
    /** How many were unread. */
    async setAllRead(owner: Owner, readAtMs: number, { memberId, projectId }: InboxScope = {}): Promise<number> {
      let update = db.updateTable('inbox').set({ read_at: readAtMs }).where(ownedBy(owner))
      if (memberId !== undefined) update = update.where('member_id', '=', memberId)
      if (projectId !== undefined) update = update.where('project_id', '=', projectId)
      return Number((await update.where('read_at', 'is', null).executeTakeFirst()).numUpdatedRows)
    },
    async unreadCount(owner: Owner, { memberId, projectId }: InboxScope = {}): Promise<number> {
      let query = db.selectFrom('inbox').where(ownedBy(owner)).where('read_at', 'is', null)
      if (memberId !== undefined) query = query.where('member_id', '=', memberId)
      if (projectId !== undefined) query = query.where('project_id', '=', projectId)
      return countRows(query)
    },
  }
}
