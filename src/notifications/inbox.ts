/** The inbox: items are put, read and unread, each change with an event for whoever watches live. */
import type { Clock } from '../platform/clock.ts'
import type { Database, Handle } from '../platform/db/database.ts'
import { writeEvent } from '../platform/events/write.ts'
import type { Json } from '../platform/json.ts'
import { type Owner, type Scope, toScope } from '../platform/scope.ts'
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

const scopeOf = ({ tenantId, projectId }: Scope): Scope => ({ tenantId, projectId })

export const makeInbox = ({ db, clock, liquids, templates }: InboxOptions) => {
  const repository = makeInboxRepository(db.primary)

  const tell = (tx: Handle, owner: Scope, type: string, data: Record<string, Json>): Promise<void> =>
    writeEvent(tx, { ...scopeOf(owner), type, data, atMs: clock.now() })

  const itemOf = (delivery: Delivery, template?: TemplateText): InboxItem =>
    toInboxItem(delivery, toText(JSON.parse(delivery.message) as Message, template, liquids).subject)

  /** Within the transaction that makes their deliveries. */
  const add = async (tx: Handle, items: readonly InboxItem[]): Promise<void> => {
    await makeInboxRepository(tx).addItems(items)
    for (const own of Map.groupBy(items, ({ tenantId, projectId }) => `${tenantId} ${projectId}`).values())
      await tell(tx, own[0] as InboxItem, 'inbox.added', { itemIds: own.map(({ id }) => id) })
  }

  /** What the intake does not: with the template of the channel. False when the member was removed meanwhile. */
  const put = async (channel: Channel, delivery: Delivery): Promise<boolean> => {
    const item = itemOf(delivery, await templates.of(channel))
    return db.transaction(async (tx) => {
      const isOpen = await makeDeliveryRepository(tx).finishOpen(delivery, clock.now())
      if (isOpen) await add(tx, [item])
      return isOpen
    })
  }

  const setRead = async (owner: Owner, id: string, isRead: boolean): Promise<InboxItem> => {
    const item = await repository.item(owner, id)
    if (!item) throw notificationErrors.inbox_item_not_found(`there is no inbox item ${id}`)
    if ((item.readAtMs !== null) === isRead) return item
    const readAtMs = isRead ? clock.now() : null
    await db.transaction(async (tx) => {
      await makeInboxRepository(tx).setRead(item.tenantId, id, readAtMs)
      await tell(tx, item, isRead ? 'inbox.read' : 'inbox.unread', { itemIds: [id] })
    })
    return { ...item, readAtMs }
  }

  /** Says how many were unread. */
  const setAllRead = (owner: Owner, scope: InboxScope = {}): Promise<number> =>
    db.transaction(async (tx) => {
      const count = await makeInboxRepository(tx).setAllRead(owner, clock.now(), scope)
      if (count > 0) await tell(tx, toScope(owner), 'inbox.all_read', { count })
      return count
    })

  return {
    add,
    put,
    itemOf,
    setRead,
    setAllRead,
    items: (owner: Owner, filter: InboxFilter) => repository.items(owner, filter),
    itemsById: (owner: Owner, ids: readonly string[]) => repository.itemsById(owner, ids),
    eventsAfter: (owner: Owner, afterId: number, limit: number) => repository.eventsAfter(owner, afterId, limit),
    lastEventId: (owner: Owner) => repository.lastEventId(owner),
    unreadCount: (owner: Owner, scope?: InboxScope) => repository.unreadCount(owner, scope),
  }
}

export type Inbox = ReturnType<typeof makeInbox>
