/** A connection of server-sent events (WHATWG HTML, 9.2): its head, its signs of life, and its one end. */
import type { OutgoingHttpHeaders } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'

declare module 'fastify' {
  interface FastifyInstance {
    /** Ends of the streams under way: a server that closes ends them, and their readers resume elsewhere. */
    openStreams: Set<() => void>
    /** Whether the caller is known and may do this as before: to be asked now and then by what lasts. */
    isStillLetIn(request: FastifyRequest): Promise<boolean>
  }
}

const KEEP_ALIVE_MS = 15_000

export interface EventConnectionOptions {
  /** Held for a slow reader; beyond it the reader is cut off, and resumes from the log. */
  readonly heldBytes: number
  /** Told with every sign of life. */
  readonly alive?: () => void
  /** Told once, whoever ends it. */
  readonly closed: () => void
}

export interface EventConnection {
  isOpen(): boolean
  /** Does nothing once it is closed. */
  write(text: string): void
  /** Resolves when the reader has taken most of what was written, or the connection is closed. */
  drained(): Promise<void>
  close(): void
  /** Logs what went wrong, and closes. */
  broke(error: unknown): void
}

/** Takes the reply over. With every sign of life it is asked whether the caller may still read it; else the connection ends. */
export const openEventConnection = (
  request: FastifyRequest,
  reply: FastifyReply,
  { heldBytes, alive, closed }: EventConnectionOptions,
): EventConnection => {
  const { openStreams } = request.server
  const checkCaller = async (): Promise<void> => {
    if (isOpen && !(await request.server.isStillLetIn(request))) close()
  }
  reply.hijack()
  const { raw } = reply
  raw.writeHead(200, {
    ...(reply.getHeaders() as OutgoingHttpHeaders),
    'content-type': 'text/event-stream',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  })
  // A reader knows at once that it is connected, not only when something happens.
  raw.flushHeaders()
  let isOpen = true
  const waiting = new Set<() => void>()
  const goOn = (): void => {
    for (const resolve of waiting) resolve()
    waiting.clear()
  }

  const close = (): void => {
    if (!isOpen) return
    isOpen = false
    closed()
    clearInterval(keepAlive)
    openStreams.delete(close)
    raw.end()
    goOn()
  }
  const write = (text: string): void => {
    if (!isOpen) return
    raw.write(text)
    if (raw.writableLength > heldBytes) close()
  }
  const drained = async (): Promise<void> => {
    if (isOpen && raw.writableNeedDrain) await new Promise<void>((resolve) => waiting.add(resolve))
  }
  const broke = (error: unknown): void => {
    request.log.error({ err: error }, 'an event stream broke')
    close()
  }
  const keepAlive = setInterval(() => {
    write(': still here\n\n')
    if (isOpen) alive?.()
    checkCaller().catch(broke)
  }, KEEP_ALIVE_MS)
  keepAlive.unref()
  raw.on('drain', goOn)
  openStreams.add(close)
  // Not within this call: what `closed` ends is made after it.
  if (request.method === 'HEAD' || raw.closed) setImmediate(close)
  else raw.once('close', close)

  return { isOpen: () => isOpen, write, drained, close, broke }
}

/** The last event that the reader has; undefined when it names none. */
export const lastEventId = (request: FastifyRequest): number | undefined => {
  const given = Number(request.headers['last-event-id'] ?? (request.query as { after?: number }).after)
  return Number.isSafeInteger(given) && given >= 0 ? given : undefined
}
