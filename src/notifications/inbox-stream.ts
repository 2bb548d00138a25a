/** The inbox live, as server-sent events: new items, and what was read; resumes after `Last-Event-ID`. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { LRUCache } from 'lru-cache'
import type { Event } from '../platform/events/event.ts'
import type { EventHub } from '../platform/events/hub.ts'
import { lastEventId, openEventConnection } from '../platform/http/event-connection.ts'
import { isOwnedBy, type Owner, tenantOf } from '../platform/scope.ts'
import type { Inbox } from './inbox.ts'
import type { InboxItem } from './types.ts'

export interface InboxStreamOptions {
  readonly hub: EventHub
  readonly inbox: Inbox
  /** Whose inbox. */
  readonly owner: Owner
  /** Which items the reader is told of. */
  wants(item: InboxItem): boolean
  view(item: InboxItem): unknown
}

const EVENTS_AT_ONCE = 100
const ITEMS_AT_ONCE = 20
/** Held for a slow reader; beyond it the reader is cut off, and resumes from the log. */
const HELD_EVENTS = 2000
const HELD_ITEMS = 50_000
/** Events that are remembered as told: at least as many as can be held, for those may have been read from the log meanwhile. */
const RECENT_MAX = HELD_EVENTS

export const streamInbox = async (request: FastifyRequest, reply: FastifyReply, options: InboxStreamOptions) => {
  const { hub, inbox, owner, wants, view } = options
  const isOfInbox = (event: Event): boolean => event.type.startsWith('inbox.') && isOwnedBy(owner, event)
  let toldId = lastEventId(request)
  let isWriting = true
  const held: Event[] = []
  let heldItems = 0
  // Of two transactions under way the one with the younger event may end first.
  const recent = new LRUCache<number, true>({ max: RECENT_MAX })
  const connection = openEventConnection(request, reply, {
    // Each frame waits until the reader has taken those before it.
    heldBytes: Number.POSITIVE_INFINITY,
    // What another process sent may have been lost on its way.
    alive: () => goOn(catchUp),
    closed: () => unsubscribe(),
  })

  const write = async (event: Event, body: unknown, isLast: boolean): Promise<void> => {
    const id = isLast ? `id: ${event.id}\n` : ''
    connection.write(`${id}event: ${event.type.replace('inbox.', '')}\ndata: ${JSON.stringify(body)}\n\n`)
    await connection.drained()
  }

  /** The id comes with the last item: a reader cut off in the middle is told of all of them again. */
  const writeItems = async (event: Event): Promise<void> => {
    const ids = event.data.itemIds as string[]
    let before: InboxItem | undefined
    for (let i = 0; i < ids.length && connection.isOpen(); i += ITEMS_AT_ONCE) {
      const items = await inbox.itemsById(owner, ids.slice(i, i + ITEMS_AT_ONCE))
      for (const item of items.filter(wants)) {
        if (before) await write(event, view(before), false)
        before = item
      }
    }
    if (before) await write(event, view(before), true)
  }

  const tell = async (event: Event): Promise<void> => {
    if (!connection.isOpen() || recent.has(event.id)) return
    recent.set(event.id, true)
    toldId = Math.max(toldId ?? 0, event.id)
    await (event.type === 'inbox.added' ? writeItems(event) : write(event, event.data, true))
  }
  const flush = async (): Promise<void> => {
    for (let event = held.shift(); event && connection.isOpen(); event = held.shift()) {
      heldItems -= itemsOf(event)
      await tell(event)
    }
  }
  const catchUp = async (): Promise<void> => {
    // A reader that names no event is told of what happens from now on.
    toldId ??= await inbox.lastEventId(owner)
    for (let isMore = true; isMore && connection.isOpen(); ) {
      const events = await inbox.eventsAfter(owner, toldId, EVENTS_AT_ONCE)
      for (const event of events) await tell(event)
      isMore = events.length === EVENTS_AT_ONCE
    }
    await flush()
  }
  const goOn = (work: () => Promise<void>): void => {
    if (isWriting) return
    isWriting = true
    work()
      .catch(connection.broke)
      .finally(() => {
        isWriting = false
        if (held.length > 0 && connection.isOpen()) goOn(flush)
      })
  }
  const unsubscribe = hub.subscribe({ tenantId: tenantOf(owner) }, (event) => {
    if (!isOfInbox(event)) return
    heldItems += itemsOf(event)
    if (held.push(event) > HELD_EVENTS || heldItems > HELD_ITEMS) connection.close()
    goOn(flush)
  })
  connection.write(': the inbox\n\n')

  try {
    // Another process may write to the log what it does not tell this one yet.
    await hub.settled()
    isWriting = false
    goOn(catchUp)
  } catch (error) {
    connection.broke(error)
  }
}

const itemsOf = ({ data }: Event): number => (Array.isArray(data.itemIds) ? data.itemIds.length : 0)
