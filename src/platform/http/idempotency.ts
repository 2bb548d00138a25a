/**
 * The `Idempotency-Key` header (draft-ietf-httpapi-idempotency-key-header) on every POST: the first request with a key is done, and for
 * a day all that follow with the same key and content get its answer. A request without the header costs nothing.
 */
import { createHash } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { defineErrors } from '../errors.ts'
import type { Claim, IdempotencyStore } from './idempotency-store.ts'

const keyErrors = defineErrors({
  idempotency_key_invalid: { status: 400 },
  /** The same key with another content. */
  idempotency_key_reused: { status: 409 },
  /** It was done; what was answered cannot be read any more. */
  idempotency_answer_lost: { status: 409 },
  idempotency_in_progress: { status: 409, retryable: true },
})

/** A text in quotes (RFC 9651), or bare as most clients send it. */
const keyOf = (header: string): string | undefined => /^"?([\x21\x23-\x7e]{1,255})"?$/.exec(header)?.[1]

const fingerprintOf = (request: FastifyRequest): string =>
  createHash('sha256')
    .update(`${request.method} ${request.url}\n`)
    .update(JSON.stringify(request.body) ?? '')
    .digest('base64url')

/** Of those below 500: not in time, another state than the caller has seen, too many. */
const PASSING = [408, 412, 429]
/** What ends a try without an answer that is worth keeping: the caller is to try again, and the request is done then. */
const isKept = ({ statusCode: status, isRetryable }: FastifyReply): boolean =>
  status < 500 && !PASSING.includes(status) && !isRetryable

/** Routes with a key of their own in the body get ours there, so that even a crash between commit and answer makes nothing twice. */
const passOn = (request: FastifyRequest, claimId: string): void => {
  const { schema } = request.routeOptions
  const shape = (schema?.body as { shape?: Record<string, unknown> } | undefined)?.shape
  const body = request.body as Record<string, unknown> | null | undefined
  if (shape?.idempotencyKey === undefined || typeof body !== 'object' || body === null) return
  body.idempotencyKey ??= `request:${claimId}`
}

const headerOf = (reply: FastifyReply, name: string): string | null => {
  const value = reply.getHeader(name)
  return value === undefined ? null : String(value)
}

const replay = (reply: FastifyReply, { status, body, contentType, tag }: Extract<Claim, { kind: 'done' }>): void => {
  reply.code(status).header('idempotency-replayed', 'true')
  if (contentType !== null) reply.header('content-type', contentType)
  if (tag) reply.header('etag', tag)
  // As it was: no serializer may touch it.
  reply.serializer((text: string) => text).send(body ?? '')
}

export const addIdempotency = (server: FastifyInstance, store: IdempotencyStore): void => {
  const claims = new WeakMap<FastifyRequest, { readonly id: string; letGo(): void }>()

  server.addHook('preHandler', async (request, reply) => {
    const header = request.headers['idempotency-key']
    if (header === undefined || request.method !== 'POST' || !request.principal) return
    const key = keyOf(String(header))
    if (key === undefined) {
      throw keyErrors.idempotency_key_invalid('the Idempotency-Key must have 1 to 255 visible ASCII characters')
    }
    const { tenantId, keyId } = request.principal
    const claim = await store.claim({ tenantId, callerId: keyId, key, fingerprint: fingerprintOf(request) })
    if (claim.kind === 'mine') {
      claims.set(request, { id: claim.id, letGo: store.hold(claim.id) })
      passOn(request, claim.id)
      return
    }
    if (claim.kind === 'other-content') {
      throw keyErrors.idempotency_key_reused('this Idempotency-Key was used for a request with another content')
    }
    if (claim.kind === 'unreadable') {
      throw keyErrors.idempotency_answer_lost('the request with this Idempotency-Key was done; its answer is lost')
    }
    if (claim.kind === 'under-way') {
      throw keyErrors.idempotency_in_progress('the first request with this Idempotency-Key is still under way', {
        retryAfterMs: 1000,
      })
    }
    replay(reply, claim)
    return reply
  })

  server.addHook('onSend', async (request, reply, payload) => {
    const claim = claims.get(request)
    if (!claim) return payload
    claims.delete(request)
    claim.letGo()
    const body = typeof payload === 'string' ? payload : Buffer.isBuffer(payload) ? payload.toString() : null
    try {
      if (isKept(reply) && (body !== null || payload === null || payload === undefined)) {
        const headers = { contentType: headerOf(reply, 'content-type'), tag: headerOf(reply, 'etag') }
        await store.finish(claim.id, { status: reply.statusCode, body, ...headers })
      } else await store.release(claim.id)
    } catch (error) {
      // What was done is done and its answer goes out; a repetition waits for the claim to lapse.
      request.log.error({ err: error }, 'the answer for an idempotency key could not be kept')
    }
    return payload
  })
}
