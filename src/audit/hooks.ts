/** Where calls and the audit log meet: every call that may change something goes through here. */
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import type { HttpServer, Routes } from '../platform/http/server.ts'
import type { Audit, AuditedCall } from './audit.ts'
import type { FailedSignIn, FailedSignIns } from './failed-sign-ins.ts'

/** Work that machines do all day long: what they take up and answer is in the timeline of its task, attempt by attempt. */
const ROUTINE = [/^\/v1\/activities\//, /^\/v1\/task-tokens\//]
/** Nobody is known there yet, or no more. */
const CALLBACK = '/auth/callback'
const SIGN_IN = [CALLBACK, '/auth/sign-out']
const LONGEST_AGENT = 300

const isAudited = ({ method, url, config }: RouteOptions): boolean => {
  const methods = [method].flat()
  const reads = methods.every((one) => ['GET', 'HEAD', 'OPTIONS'].includes(one))
  const isChange = !reads && config?.permission !== undefined && !ROUTINE.some((pattern) => pattern.test(url))
  return isChange || SIGN_IN.includes(url)
}

const fromOf = ({ method, routeOptions, id, ip, headers }: FastifyRequest) => ({
  request: `${method} ${routeOptions.url ?? ''}`,
  requestId: id,
  address: ip,
  userAgent: headers['user-agent']?.slice(0, LONGEST_AGENT) ?? null,
})

const callOf = (request: FastifyRequest): AuditedCall => {
  const { principal, routeOptions, params } = request
  const [target] = Object.values((params ?? {}) as Record<string, unknown>)
  return {
    principal,
    permission: routeOptions.config.permission ?? 'session',
    target: target === undefined ? null : String(target),
    ...fromOf(request),
  }
}

type Handler = (this: FastifyInstance, request: FastifyRequest, reply: FastifyReply) => unknown

/** What was shown by somebody who was not let in; undefined where nothing was. A session that is over is no failed sign-in. */
const shownBy = ({ headers, routeOptions }: FastifyRequest, code: string): FailedSignIn['by'] | undefined => {
  if (routeOptions.url === CALLBACK) return ['sign_in_failed', 'forbidden'].includes(code) ? 'person' : undefined
  if (code !== 'unauthenticated' || headers.authorization === undefined) return undefined
  return headers.authorization.includes('.') ? 'token' : 'key'
}

/** To be added before all routes that are to be audited. */
export const makeAuditHooks =
  (audit: Audit, failedSignIns: Pick<FailedSignIns, 'add'>): Routes =>
  (server: HttpServer) => {
    server.addHook('onRoute', (route) => {
      if (!isAudited(route)) return
      const handler = route.handler as Handler
      // Only the handler itself: what hooks write before and after it (claims of a key, counts) is not what the caller asked for.
      route.handler = function (this: FastifyInstance, request, reply) {
        return audit.during(callOf(request), async () => handler.call(this, request, reply))
      }
    })
    server.addHook('onError', async (request, _reply, error) => {
      const code = String((error as { code?: unknown }).code)
      if (!request.principal) {
        const by = shownBy(request, code)
        if (by) await failedSignIns.add({ by, code, ...fromOf(request) })
        return
      }
      if (code !== 'forbidden') return
      const isRead = ['GET', 'HEAD', 'OPTIONS'].includes(request.method)
      if (!isRead) await audit.denied(callOf(request), 'forbidden')
    })
  }
