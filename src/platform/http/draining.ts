/**
 * An orderly leave: `/readyz` says 503 at once, streams end (their readers resume elsewhere), connections are closed after their answer,
 * and only after `drainMs`, when whoever sends requests here has learnt of it, does the server stop to listen. Requests under way finish.
 */
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import { defineErrors } from '../errors.ts'

const drainErrors = defineErrors({
  /** Only to a proxy that said it will ask another process. */
  leaving: { status: 502, retryable: true },
  not_ready: { status: 503, retryable: true },
})

/** Set by our own edge (deploy/nginx): it repeats a safe request elsewhere when it hears 502, and sends no more here for a while. */
const RETRIES_HEADER = 'x-edge-retries'

export interface DrainingOptions {
  /** How long requests are still taken, while those who send them learn that this server leaves. */
  readonly drainMs: number
  /** How long those under way then have to finish, before their connections are cut. */
  readonly graceMs: number
  readonly openStreams: ReadonlySet<() => void>
}

/** A connection on which nothing was asked by then is of no use any more; Node waits for its first request otherwise. */
const SILENT_MS = 1000

export const addDraining = (server: FastifyInstance, options: DrainingOptions): void => {
  const { drainMs, graceMs, openStreams } = options
  let isDraining = false
  const silent = new Set<Socket>()
  server.server.on('connection', (socket: Socket) => {
    silent.add(socket)
    socket.once('close', () => silent.delete(socket))
  })
  server.server.on('request', ({ socket }) => silent.delete(socket))
  server.addHook('onRequest', (request, reply, done) => {
    if (!isDraining) return done()
    reply.header('connection', 'close')
    if (request.routeOptions.url === '/readyz') return done(drainErrors.not_ready('this process is stopping'))
    const isSafe = request.method === 'GET' || request.method === 'HEAD'
    if (isSafe && request.headers[RETRIES_HEADER] !== undefined) {
      return done(drainErrors.leaving('this process is stopping; ask another one'))
    }
    done()
  })
  server.addHook('preClose', async () => {
    isDraining = true
    for (const close of openStreams) close()
    const isListening = server.addresses().length > 0
    if (isListening && drainMs > 0) await sleep(drainMs)
    for (const close of openStreams) close()
    // A caller may wait for a minute, and a stop must not.
    const cut = setTimeout(() => server.server.closeAllConnections(), graceMs).unref()
    const cutSilent = setTimeout(() => {
      for (const socket of silent) if (socket.bytesRead === 0) socket.destroy()
    }, SILENT_MS).unref()
    server.server.once('close', () => {
      clearTimeout(cut)
      clearTimeout(cutSilent)
    })
  })
}
