/** Timelines over HTTP: as a list, and live as server-sent events (WHATWG HTML, 9.2) that resume after `Last-Event-ID`. */
import type { OutgoingHttpHeaders } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { LRUCache } from 'lru-cache'
import { z } from 'zod'
import type { Event } from '../events/event.ts'
import type { EventFilter, EventHub } from '../events/hub.ts'
import type { EventLog } from '../events/log.ts'
import type { Scope } from '../scope.ts'
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

declare module 'fastify' {
  interface FastifyInstance {
    /** Ends of the streams under way: a server that closes ends them, and their readers resume elsewhere. */
    openStreams: Set<() => void>
  }
}

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
}

const PAGE = 500
/** Events held for a slow reader; beyond it the reader is cut off and resumes from the log. */
const HELD_MAX = 10_000
const KEEP_ALIVE_MS = 15_000
/** Events that are remembered as sent. */
const RECENT_MAX = 2000

const lastEventId = (request: FastifyRequest): number => {
  const query = (request.query as { after?: number }).after
  const given = Number(request.headers['last-event-id'] ?? query ?? 0)
  return Number.isSafeInteger(given) && given > 0 ? given : 0
}

const frame = (event: Event): string =>
  `id: ${event.id}\nevent: ${event.type}\ndata: ${JSON.stringify(eventView(event))}\n\n`

/** First what the log has after the reader's last event, then what happens, without a gap between. */
export const streamEvents = async (
  request: FastifyRequest,
  reply: FastifyReply,
  options: StreamOptions,
): Promise<void> => {
  const { log, hub, filter, isLast = () => false } = options
  const inRun = options.readRunId ? { runId: options.readRunId } : {}
  reply.hijack()
  const { raw } = reply
  raw.writeHead(200, {
    ...(reply.getHeaders() as OutgoingHttpHeaders),
    'content-type': 'text/event-stream',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  })
  let sentId = lastEventId(request)
  let isReading = true
  let isOpen = true
  const held: Event[] = []
  // Two processes may commit for one run in the same moment: an event of the one can come after a younger one of the other.
  const recent = new LRUCache<number, true>({ max: RECENT_MAX })

  const close = (): void => {
    if (!isOpen) return
    isOpen = false
    unsubscribe()
    clearInterval(keepAlive)
    request.server.openStreams.delete(close)
    raw.end()
  }
  const send = (event: Event): void => {
    if (!isOpen || recent.has(event.id)) return
    recent.set(event.id, true)
    sentId = Math.max(sentId, event.id)
    raw.write(frame(event))
    if (isLast(event) || raw.writableLength > HELD_MAX * 1000) close()
  }
  const unsubscribe = hub.subscribe(filter, (event) => {
    if (!isReading) send(event)
    else if (held.push(event) > HELD_MAX) close()
  })
  const read = async (): Promise<void> => {
    for (;;) {
      const events = await log.read({ ...filter, ...inRun, afterId: sentId, limit: PAGE })
      for (const event of events) send(event)
      if (events.length < PAGE || !isOpen) break
    }
  }
  const broken = (error: unknown): void => {
    request.log.error({ err: error }, 'an event stream broke')
    close()
  }
  const keepAlive = setInterval(() => {
    raw.write(': still here\n\n')
    // What another process sent may have been lost on its way.
    if (!isReading) read().catch(broken)
  }, KEEP_ALIVE_MS)
  keepAlive.unref()
  raw.on('close', close)
  request.server.openStreams.add(close)

  try {
    await hub.settled()
    await read()
    for (const event of held) send(event)
    isReading = false
  } catch (error) {
    broken(error)
  }
}
