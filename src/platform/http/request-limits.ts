/**
 * Limits of callers, after it is known who calls: requests per minute of a key and of its tenant, counted by all gateways together, and
 * requests of a tenant under way in this process. The headers follow draft-ietf-httpapi-ratelimit-headers-10.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { defineErrors } from '../errors.ts'
import type { RateDecision, RateLimiter } from '../limits/rate-limiter.ts'
import { whenOver } from './request-end.ts'

const limitErrors = defineErrors({ rate_limited: { status: 429 }, too_many_under_way: { status: 429 } })

/** Zero: no limit. */
export interface CallerLimits {
  readonly tenantPerMinute: number
  readonly keyPerMinute: number
  /** Per process. */
  readonly underWay: number
}

export interface RequestLimits {
  readonly limiter: RateLimiter
  /** What holds for a tenant. Quick: called for every request. */
  of(tenantId: string): CallerLimits | Promise<CallerLimits>
}

const MINUTE_MS = 60_000

interface Counted {
  readonly name: 'key' | 'tenant'
  readonly limit: number
  readonly decision: RateDecision
}

const inSeconds = (ms: number): number => Math.ceil(ms / 1000)

const tell = (reply: FastifyReply, counted: readonly Counted[]): void => {
  if (counted.length === 0) return
  reply.header('ratelimit-policy', counted.map(({ name, limit }) => `"${name}";q=${limit};w=60`).join(', '))
  const left = counted.map(({ name, decision }) => `"${name}";r=${decision.remaining};t=${inSeconds(decision.resetMs)}`)
  reply.header('ratelimit', left.join(', '))
}

const refused = ({ name, limit, decision }: Counted): Error =>
  limitErrors.rate_limited(`more than ${limit} requests a minute of this ${name}; wait and try again`, {
    retryAfterMs: decision.resetMs,
    details: { scope: name, limit, windowSeconds: 60 },
  })

/** The key first: what one key asks for in vain is not taken from its tenant. */
const count = async (
  { limiter }: RequestLimits,
  { tenantId, keyId }: FastifyRequest['principal'],
  limits: CallerLimits,
): Promise<Counted[]> => {
  const counted: Counted[] = []
  const rules = [
    ['key', keyId, limits.keyPerMinute],
    ['tenant', tenantId, limits.tenantPerMinute],
  ] as const
  for (const [name, id, limit] of rules) {
    if (limit === 0) continue
    const decision = await limiter.take(`${name}:${id}`, { limit, windowMs: MINUTE_MS })
    counted.push({ name, limit, decision })
    if (!decision.isAllowed) break
  }
  return counted
}

/** Must be added after the hook that says who calls. */
export const addRequestLimits = (server: FastifyInstance, options: RequestLimits): void => {
  const underWay = new Map<string, number>()
  const leave = (tenantId: string): void => {
    const left = (underWay.get(tenantId) ?? 1) - 1
    if (left > 0) underWay.set(tenantId, left)
    else underWay.delete(tenantId)
  }
  const check = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const { principal } = request
    const limits = await options.of(principal.tenantId)
    const counted = await count(options, principal, limits)
    tell(reply, counted)
    const over = counted.find(({ decision }) => !decision.isAllowed)
    if (over) throw refused(over)
    const now = underWay.get(principal.tenantId) ?? 0
    if (limits.underWay > 0 && now >= limits.underWay) {
      throw limitErrors.too_many_under_way(`${now} requests of this tenant are under way; let some of them end`, {
        retryAfterMs: 1000,
        details: { limit: limits.underWay },
      })
    }
    underWay.set(principal.tenantId, now + 1)
    whenOver(reply.raw, () => leave(principal.tenantId))
  }
  server.addHook('onRequest', (request, reply, done) => {
    // Other processes of ours are held by what they do for tenants, not by a limit on themselves.
    if (!request.principal || request.principal.kind === 'service') return done()
    check(request, reply).then(
      () => done(),
      (error: Error) => done(error),
    )
  })
}
