/** Headers that every answer has: what a browser may do with it, and which other origins may read it. */
import type { FastifyInstance } from 'fastify'

const API_POLICY = "default-src 'none'; frame-ancestors 'none'"
/** The pages of the reference load their own scripts and styles. */
const PAGE_POLICY =
  "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

const SECURITY = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
} as const

/** A handler's own header stays. */
export const addSecurityHeaders = (server: FastifyInstance): void => {
  server.addHook('onRequest', (request, reply, done) => {
    const isApi = request.url.startsWith('/v1/')
    reply.headers(SECURITY)
    reply.header('x-request-id', request.id)
    reply.header('content-security-policy', isApi ? API_POLICY : PAGE_POLICY)
    if (isApi) reply.header('cache-control', 'no-store')
    done()
  })
}

const METHODS = 'GET, POST, PUT, PATCH, DELETE'
const REQUEST_HEADERS =
  'authorization, content-type, idempotency-key, if-match, if-none-match, last-event-id, traceparent, tracestate, x-request-id'
const ANSWER_HEADERS =
  'etag, idempotency-replayed, ratelimit, ratelimit-policy, retry-after, traceresponse, x-request-id'
const REMEMBERED_S = 600

/**
 * Cross-origin resource sharing (Fetch standard) for the origins named, none by default. Keys travel in a header that a page has to
 * know and cookies are never allowed, so another page cannot act with a visitor's session.
 */
export const addCors = (server: FastifyInstance, origins: readonly string[]): void => {
  if (origins.length === 0) return
  const allowed = new Set(origins)
  server.addHook('onRequest', (request, reply, done) => {
    reply.header('vary', 'Origin')
    const { origin } = request.headers
    if (origin === undefined || !allowed.has(origin)) return done()
    reply.header('access-control-allow-origin', origin)
    reply.header('access-control-expose-headers', ANSWER_HEADERS)
    if (request.method !== 'OPTIONS' || request.headers['access-control-request-method'] === undefined) return done()
    reply
      .code(204)
      .headers({
        'access-control-allow-methods': METHODS,
        'access-control-allow-headers': REQUEST_HEADERS,
        'access-control-max-age': REMEMBERED_S,
      })
      .send()
  })
}
