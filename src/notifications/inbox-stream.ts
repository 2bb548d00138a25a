/** The inbox live, as server-sent events: new items, and what was read; resumes after `Last-Event-ID`. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Event } from '../platform/events/event.ts'
import type { EventHub } from '../platform/events/hub.ts'
import type { EventLog } from '../platform/events/log.ts'
import { lastEventId, openEventConnection } from '../platform/http/event-connection.ts'
import { isOwnedBy, type Owner, tenantOf } from '../platform/scope.ts'
import type { Inbox } from './inbox.ts'
import type { InboxItem } from './types.ts'

export interface InboxStreamOptions {
  readonly log: EventLog
  readonly hub: EventHub
  readonly inbox: Inbox
  /** Whose inbox. */
  readonly owner: Owner
  /** Which items the reader is told of. */
  wants(item: InboxItem): boolean
  view(item: InboxItem): unknown
}

const PAGE = 500
/** Held for a slow reader; beyond it the reader is cut off, and resumes from the log. */
const HELD_BYTES = 4_194_304
const HELD_EVENTS = 10_000

export const streamInbox = async (request: FastifyRequest, reply: FastifyReply, options: InboxStreamOptions) => {
  const { log, hub, inbox, owner, wants, view } = options
  const tenantId = tenantOf(owner)
  const isOfInbox = (event: Event): boolean => event.type.startsWith('inbox.') && isOwnedBy(owner, event)
  // A reader that names no event is told of what happens from now on.
  let sentId = lastEventId(request)
  let isWriting = true
  const held: Event[] = []
  const connection = openEventConnection(request, reply, { heldBytes: HELD_BYTES, closed: () => unsubscribe() })

  /** The id comes with the last frame of an event: a reader cut off in the middle is told of the rest. */
  const framesOf = async ({ id, type, data }: Event): Promise<string> => {
    const what = type.replace('inbox.', '')
    const frame = (body: unknown, isLast: boolean): string =>
      `${isLast ? `id: ${id}\n` : ''}event: ${what}\ndata: ${JSON.stringify(body)}\n\n`
    if (type !== 'inbox.added') return frame(data, true)
    const items = (await inbox.itemsById(owner, data.itemIds as string[])).filter(wants)
    return items.map((item, i) => frame(view(item), i === items.length - 1)).join('')
  }

  const send = async (event: Event): Promise<void> => {
    if (!connection.isOpen() || !isOfInbox(event) || event.id <= (sentId ?? 0)) return
    sentId = event.id
    connection.write(await framesOf(event))
  }
  const flush = async (): Promise<void> => {
    for (let event = held.shift(); event && connection.isOpen(); event = held.shift()) await send(event)
    isWriting = false
  }
  const unsubscribe = hub.subscribe({ tenantId }, (event) => {
    if (!isOfInbox(event)) return
    if (held.push(event) > HELD_EVENTS) connection.close()
    if (isWriting) return
    isWriting = true
    flush().catch(connection.broke)
  })
  connection.write(': the inbox\n\n')

  try {
    // Another process may write to the log what it does not tell this one yet.
    await hub.settled()
    for (let from = sentId; from !== undefined && connection.isOpen(); ) {
      const events = await log.read({ tenantId, afterId: from, limit: PAGE })
      for (const event of events) await send(event)
      from = events.length < PAGE ? undefined : events.at(-1)?.id
    }
    await flush()
  } catch (error) {
    connection.broke(error)
  }
}
