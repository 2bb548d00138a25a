/** The inbox: items are put, read and unread, each change with an event for whoever watches live. */
import type { Clock } from '../platform/clock.ts'
import type { Database, Handle } from '../platform/db/database.ts'
import { writeEvent } from '../platform/events/write.ts'
import type { Json } from '../platform/json.ts'
import { notificationErrors } from './errors.ts'
import type { Liquids } from './liquid.ts'
import { toInboxItem, toText } from './message.ts'
import { makeDeliveryRepository } from './repository-deliveries.ts'
import { type InboxFilter, type InboxScope, makeInboxRepository } from './repository-inbox.ts'
import type { Templates } from './templates.ts'
import type { Channel, Delivery, InboxItem, Message, TemplateText } from './types.ts'

export interface InboxOptions {
  readonly db: Database
  readonly clock: Clock
  readonly liquids: Liquids
  readonly templates: Templates
}

export const makeInbox = ({ db, clock, liquids, templates }: InboxOptions) => {
  const repository = makeInboxRepository(db.primary)

  const tell = (tx: Handle, tenantId: string, type: string, data: Record<string, Json>): Promise<void> =>
    writeEvent(tx, { tenantId, projectId: null, runId: null, taskId: null, type, data, atMs: clock.now() })

  const itemOf = (delivery: Delivery, template: TemplateText | undefined): InboxItem =>
    toInboxItem(delivery, toText(JSON.parse(delivery.message) as Message, template, liquids).subject)

  /** Within the transaction that makes their deliveries. */
  const add = async (tx: Handle, items: readonly InboxItem[]): Promise<void> => {
    await makeInboxRepository(tx).addItems(items)
    for (const [tenantId, own] of Map.groupBy(items, (item) => item.tenantId))
      await tell(tx, tenantId, 'inbox.added', { itemIds: own.map(({ id }) => id) })
  }

  /** Tests, replays and digests; what events bring is put there by the intake. */
  const put = async (channel: Channel, delivery: Delivery): Promise<void> => {
    const item = itemOf(delivery, await templates.of(channel))
    await db.transaction(async (tx) => {
      await add(tx, [item])
      await makeDeliveryRepository(tx).finish(delivery, 'delivered', null, clock.now())
    })
  }

  const setRead = async (tenantId: string, id: string, isRead: boolean): Promise<InboxItem> => {
    const item = await repository.item(tenantId, id)
    if (!item) throw notificationErrors.inbox_item_not_found(`there is no inbox item ${id}`)
    if ((item.readAtMs !== null) === isRead) return item
    const readAtMs = isRead ? clock.now() : null
    await db.transaction(async (tx) => {
      await makeInboxRepository(tx).setRead(tenantId, id, readAtMs)
      await tell(tx, tenantId, isRead ? 'inbox.read' : 'inbox.unread', { itemIds: [id] })
    })
    return { ...item, readAtMs }
  }

  /** Says how many were unread. */
  const setAllRead = (tenantId: string, scope: InboxScope = {}): Promise<number> =>
    db.transaction(async (tx) => {
      const count = await makeInboxRepository(tx).setAllRead(tenantId, clock.now(), scope)
      if (count > 0) await tell(tx, tenantId, 'inbox.all_read', { count })
      return count
    })

  return {
    add,
    put,
    itemOf,
    setRead,
    setAllRead,
    items: (tenantId: string, filter: InboxFilter) => repository.items(tenantId, filter),
    itemsById: (tenantId: string, ids: readonly string[]) => repository.itemsById(tenantId, ids),
    unreadCount: (tenantId: string, scope?: InboxScope) => repository.unreadCount(tenantId, scope),
  }
}

export type Inbox = ReturnType<typeof makeInbox>
