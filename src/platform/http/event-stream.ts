/** Timelines over HTTP: as a list, and live as server-sent events that resume after `Last-Event-ID`. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { LRUCache } from 'lru-cache'
import { z } from 'zod'
import type { Event } from '../events/event.ts'
import type { EventFilter, EventHub } from '../events/hub.ts'
import type { EventLog } from '../events/log.ts'
import type { Scope } from '../scope.ts'
import { lastEventId, openEventConnection } from './event-connection.ts'
import { toTime } from './views.ts'

export const eventSchema = z.object({
  id: z.number(),
  type: z.string(),
  at: z.string(),
  runId: z.string().nullable(),
  taskId: z.string().nullable(),
  data: z.record(z.string(), z.unknown()),
})

export const eventView = (event: Event) => ({
  id: event.id,
  type: event.type,
  at: toTime(event.atMs),
  runId: event.runId,
  taskId: event.taskId,
  data: event.data,
})

/** All that a caller sees of what happens. */
export const filterOf = ({ tenantId, projectId }: Scope) => ({ tenantId, projectId })

export interface StreamOptions {
  readonly log: EventLog
  readonly hub: EventHub
  readonly filter: EventFilter & { readonly tenantId: string }
  /** Where the log keeps them, when the events of a task lie with those of its run. */
  readonly readRunId?: string | null
  /** The stream ends after an event for which this holds. */
  readonly isLast?: (event: Event) => boolean
  /** Whoever names no event is told of what happens from now on; otherwise all of the timeline. */
  readonly fromNow?: boolean
  /** Nothing will happen any more: the stream ends after what the log has, and who has had all that is told not to come again (204). */
  readonly isOver?: boolean
}

const PAGE = 500
/** Held for a slow reader; beyond it the reader is cut off and resumes from the log. */
const HELD_EVENTS = 10_000
const HELD_BYTES = 10_000_000
/** Events that are remembered as sent. */
const RECENT_MAX = 2000

const frame = (event: Event): string =>
  `id: ${event.id}\nevent: ${event.type}\ndata: ${JSON.stringify(eventView(event))}\n\n`

/** First what the log has after the reader's last event, then what happens, without a gap between. */
export const streamEvents = async (
  request: FastifyRequest,
  reply: FastifyReply,
  options: StreamOptions,
): Promise<void> => {
  const { log, hub, filter, isLast = () => false, isOver = false, fromNow = false } = options
  const inRun = options.readRunId ? { runId: options.readRunId } : {}
  // Before the head goes out: whoever has seen it misses nothing that he does from then on.
  let sentId = lastEventId(request) ?? (fromNow ? await log.newestOf(filter.tenantId) : 0)
  const readAfter = (afterId: number, limit: number): Promise<Event[]> =>
    log.readNow({ ...filter, ...inRun, afterId, limit })
  if (isOver && (await readAfter(sentId, 1)).length === 0) {
    await reply.code(204).send()
    return
  }
  let isReading = true
  const held = new Map<number, Event>()
  // Two processes may commit for one run in the same moment: an event of the one can come after a younger one of the other.
  const recent = new LRUCache<number, true>({ max: RECENT_MAX })

  const connection = openEventConnection(request, reply, {
    heldBytes: HELD_BYTES,
    // What another process sent may have been lost on its way.
    alive: () => {
      if (!isReading) catchUp().catch(connection.broke)
    },
    closed: () => unsubscribe(),
  })
  const send = (event: Event): void => {
    held.delete(event.id)
    if (!connection.isOpen() || recent.has(event.id)) return
    recent.set(event.id, true)
    sentId = Math.max(sentId, event.id)
    connection.write(frame(event))
    if (isLast(event)) connection.close()
  }
  const unsubscribe = hub.subscribe(filter, (event) => {
    if (!isReading) send(event)
    else if (held.set(event.id, event).size > HELD_EVENTS) connection.close()
  })
  /** At the pace of the reader: a long timeline must not be a long queue. */
  const sendInTurn = async (event: Event): Promise<void> => {
    send(event)
    await connection.drained()
  }
  const catchUp = async (): Promise<void> => {
    isReading = true
    for (let isMore = true; isMore && connection.isOpen(); ) {
      const events = await readAfter(sentId, PAGE)
      for (const event of events) await sendInTurn(event)
      isMore = events.length === PAGE
    }
    for (const event of held.values()) await sendInTurn(event)
    isReading = false
  }

  try {
    await hub.settled()
    await catchUp()
    if (isOver) connection.close()
  } catch (error) {
    connection.broke(error)
  }
}
