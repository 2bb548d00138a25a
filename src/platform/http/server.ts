/** The HTTP server: validation, documentation, authentication and errors, the same for every route that a domain adds. */
import Fastify, { type FastifyBaseLogger, type FastifyInstance, type FastifyRequest, LogController } from 'fastify'
import { validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { AppError, defineErrors } from '../errors.ts'
import type { MakeId } from '../ids.ts'
import type { Quotas } from '../limits/quotas.ts'
import { addJsonParser, refuseNulInUrl } from './body.ts'
import { DESCRIPTION, describeAll, describeRoute } from './documentation.ts'
import { addDraining } from './draining.ts'
import { addCors, addSecurityHeaders } from './headers.ts'
import { addIdempotency } from './idempotency.ts'
import type { IdempotencyStore } from './idempotency-store.ts'
import { addLoadShedding, type LoadWatch } from './load-shedding.ts'
import { type CallerEvidence, mayNot, type Permission, type Principal } from './principal.ts'
import { refuseConnection, sendProblem } from './problem.ts'
import { addQuotaCheck } from './quota-check.ts'
import { whenOver } from './request-end.ts'
import { requestIdOf } from './request-id.ts'
import { addRequestLimits, type RequestLimits } from './request-limits.ts'
import { makeTraces, type Trace, type TraceHeaders, type Traces, traceOf } from './trace-context.ts'
import './event-stream.ts'

export type HttpServer = FastifyInstance<
  import('node:http').Server,
  import('node:http').IncomingMessage,
  import('node:http').ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>

/** What a domain adds to the server. */
export type Routes = (server: HttpServer) => void

export interface HttpServerOptions {
  readonly log: FastifyBaseLogger
  readonly makeId: MakeId
  readonly bodyLimitBytes: number
  readonly version: string
  /** Who the caller is; throws `unauthenticated`. */
  authenticate(authorization: string | undefined, evidence: CallerEvidence): Principal | Promise<Principal>
  readonly routes: readonly Routes[]
  /** Origins whose pages may call; none by default. */
  readonly corsOrigins?: readonly string[]
  /** Proxies whose word is taken for where a request comes from; none by default. */
  readonly trustedProxies?: readonly string[]
  /** How long a server that stops still takes requests, while those who send them learn that it leaves. */
  readonly drainMs?: number
  /** How long requests under way then have to finish; 10 seconds. */
  readonly graceMs?: number
  /** How long a request may take to arrive whole; two minutes. */
  readonly arriveMs?: number
  /** Refuses requests before there are too many. */
  readonly load?: LoadWatch
  /** How much each caller may ask for. */
  readonly limits?: RequestLimits
  /** Whether a tenant may have more work done today. */
  readonly quotas?: Pick<Quotas, 'check'>
  /** Where answers to requests with an idempotency key are kept. */
  readonly idempotency?: IdempotencyStore
  /** Knows the trace of the request under way. */
  readonly traces?: Traces
}

const GRACE_MS = 10_000
/** Enough for the largest body over a slow line; who trickles one in must not hold a place for ever. */
const ARRIVE_MS = 120_000
const HEADERS_MS = 60_000
/** How often Node looks for requests that did not arrive in time. */
const LOOK_EVERY_MS = 30_000

const httpErrors = defineErrors({ route_not_found: { status: 404 } })

const missing = ({ principal, routeOptions }: FastifyRequest): Permission | undefined => {
  const { permission } = routeOptions.config
  return permission && !principal.permissions.has(permission) ? permission : undefined
}

const checkCaller = (server: FastifyInstance, authenticate: HttpServerOptions['authenticate']): void => {
  server.addHook('onRoute', (route) => {
    const { public: isPublic, anyCaller, permission } = route.config ?? {}
    const isClosed = isPublic === true || anyCaller === true || permission !== undefined
    const isOurs = !route.url.startsWith('/docs') && route.url !== '*'
    if (!isClosed && isOurs) throw new Error(`the route ${String(route.method)} ${route.url} names no permission`)
  })
  server.decorateRequest('principal', null as unknown as Principal)
  const identify = async (request: FastifyRequest): Promise<void> => {
    request.principal = await authenticate(request.headers.authorization, request)
  }
  server.decorate('isStillLetIn', async (request: FastifyRequest): Promise<boolean> => {
    try {
      await identify(request)
      return missing(request) === undefined
    } catch (error) {
      // Where nobody can tell at the moment, what was said before holds.
      return !(error instanceof AppError && error.status < 500)
    }
  })
  server.addHook('onRequest', (request, _reply, done) => {
    const { config, url } = request.routeOptions
    if (config.public || url?.startsWith('/docs')) return done()
    identify(request).then(
      () => done(),
      (error: Error) => done(error),
    )
  })
}

const NO_QUERY = z.strictObject({})

/** A parameter that a route does not know is refused, as a field is: it would be passed over, and something else be done. */
const refuseUnknownQuery = (server: FastifyInstance): void => {
  server.addHook('onRoute', (route) => {
    if (route.url.startsWith('/v1/')) route.schema = { querystring: NO_QUERY, ...route.schema }
  })
}

/** Gives every request its place in a trace, in its log lines and for what is done on its behalf. */
const addTraces = (server: FastifyInstance, traces: Traces, makeId: MakeId): void => {
  server.decorateRequest('trace', null as unknown as Trace)
  server.addHook('onRequest', (request, _reply, done) => {
    request.trace = traceOf(request.headers as TraceHeaders, makeId)
    const { traceId, parentId } = request.trace
    // One that begins here is known by the request's id.
    if (parentId !== null) request.log = request.log.child({ traceId })
    done()
  })
  server.addHook('preHandler', (request, reply, done) => {
    const held = traces.within(request.trace, done)
    whenOver(reply.raw, held.end)
  })
}

/** A server that listens nowhere yet. Every route must name its permission, or say that it is public. */
export const makeHttpServer = async (options: HttpServerOptions): Promise<HttpServer> => {
  const { arriveMs = ARRIVE_MS } = options
  const plain = Fastify({
    loggerInstance: options.log,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: options.bodyLimitBytes,
    requestTimeout: arriveMs,
    http: {
      headersTimeout: Math.min(HEADERS_MS, arriveMs),
      connectionsCheckingInterval: Math.min(LOOK_EVERY_MS, arriveMs),
    },
    genReqId: (request) => requestIdOf(request.headers['x-request-id'], options.makeId),
    requestIdHeader: false,
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    trustProxy: options.trustedProxies?.length ? [...options.trustedProxies] : false,
    routerOptions: { maxParamLength: 500 },
    frameworkErrors: (error, request, reply) =>
      void sendProblem(error, request, reply.header('x-request-id', request.id)),
    clientErrorHandler: (error, socket) => refuseConnection(error, socket, options.makeId()),
  })
  const server: HttpServer = plain.withTypeProvider<ZodTypeProvider>()
  server.setValidatorCompiler(validatorCompiler)
  // Answers are made by our own code from known types: checking them again would cost more than all the rest.
  server.setSerializerCompiler(() => (data) => JSON.stringify(data))
  server.decorateReply('isRetryable', false)
  server.setErrorHandler((error, request, reply) => sendProblem(error, request, reply))
  server.setNotFoundHandler((request, reply) =>
    sendProblem(
      httpErrors.route_not_found(`there is no route ${request.method} ${request.url.split('?')[0]}; see /docs`),
      request,
      reply,
    ),
  )
  addJsonParser(server)
  refuseUnknownQuery(plain)
  server.addHook('preValidation', async (request) => refuseNulInUrl(request.url))
  const openStreams = new Set<() => void>()
  server.decorate('openStreams', openStreams)
  addSecurityHeaders(plain)
  addTraces(plain, options.traces ?? makeTraces(), options.makeId)
  addDraining(plain, { drainMs: options.drainMs ?? 0, graceMs: options.graceMs ?? GRACE_MS, openStreams })
  addCors(plain, options.corsOrigins ?? [])
  if (options.load) addLoadShedding(plain, options.load)
  checkCaller(plain, options.authenticate)
  // Before the permission: what is refused for want of it costs an entry of the audit log.
  if (options.limits) addRequestLimits(plain, options.limits)
  plain.addHook('onRequest', (request, _reply, done) => {
    const permission = missing(request)
    done(permission && mayNot(permission))
  })
  // Before the quotas: a repetition gets its first answer. One that says "not today" is not kept.
  if (options.idempotency) addIdempotency(plain, options.idempotency)
  if (options.quotas) addQuotaCheck(plain, options.quotas)
  const { default: swagger } = await import('@fastify/swagger')
  await server.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'AIDOS', version: options.version, description: DESCRIPTION },
      components: { securitySchemes: { key: { type: 'http', scheme: 'bearer' } } },
      security: [{ key: [] }],
    },
    transform: describeRoute,
    transformObject: describeAll,
  })
  server.get('/openapi.json', { config: { public: true }, schema: { hide: true } }, () => server.swagger())
  const { default: swaggerUi } = await import('@fastify/swagger-ui')
  await server.register(swaggerUi, { routePrefix: '/docs', logLevel: 'silent' })
  // Who opens the address in a browser finds what can be called.
  server.get('/', { config: { public: true }, schema: { hide: true } }, (_request, reply) => reply.redirect('/docs'))
  for (const routes of options.routes) routes(server)
  return server
}
