/**
 * The composition root: builds every service once, from the configuration, and starts the parts that this process's roles call for.
 * Nothing is made anywhere else, so that one reading of this file shows who knows whom.
 */
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import type { FastifyBaseLogger } from 'fastify'
import { makeAgentRoutes, makeAgentService, makeModelClient } from './agents/index.ts'
import { credentialsFile, readCredentials, writeCredentials } from './app/credentials.ts'
import { makeFilesRoot } from './app/files-root.ts'
import { readFolder } from './app/loader.ts'
import { type Registered, registerAll } from './app/registrar.ts'
import { readSecretKey } from './app/secret-key.ts'
import { watchFolders } from './app/watch.ts'
import type { Config } from './config.ts'
import { type Engine, makeEngine, makeLeaseKeeper, makeWorkers, type ProgramSource } from './engine/index.ts'
import { migrations } from './migrations/index.ts'
import { makeNotificationRoutes, makeNotificationService, type NotificationService } from './notifications/index.ts'
import { systemClock } from './platform/clock.ts'
import type { Database } from './platform/db/database.ts'
import { migrate } from './platform/db/migrate.ts'
import { AppError } from './platform/errors.ts'
import { type EventHub, makeEventHub } from './platform/events/hub.ts'
import { makeEventLog } from './platform/events/log.ts'
import { type HttpServer, makeHttpServer } from './platform/http/server.ts'
import { makeIdGenerator } from './platform/ids.ts'
import { makeLog } from './platform/log.ts'
import { makeOutbound } from './platform/outbound/outbound.ts'
import { makeLocalQueue } from './platform/queue/local-queue.ts'
import { makeHealthRoutes, makeMetrics } from './platform/telemetry/metrics.ts'
import { type Part, partsOf } from './roles.ts'
import { makeEngineTargets, makeScheduleRoutes, makeScheduleService } from './scheduler/index.ts'
import {
  makeBuiltinSkills,
  makeSandbox,
  makeSchemaCompiler,
  makeSkillRoutes,
  makeSkillService,
} from './skills/index.ts'
import { type HandlerSource, makeCodeHandlers, makeTaskRoutes, makeTaskService } from './tasks/index.ts'
import { makeTenantRoutes, makeTenantService } from './tenants/index.ts'
import { makeRunRoutes, makeWorkflowRoutes, makeWorkflowService } from './workflows/index.ts'

export interface AppOptions {
  readonly config: Config
  /** Folders of the user's own code. */
  readonly load?: readonly string[]
  /** Takes up changes of those folders as they are saved. */
  readonly watch?: boolean
  readonly log?: FastifyBaseLogger
  /** Told what was registered, at the start and after each change; and of a change that could not be taken up. */
  readonly onLoaded?: (lines: Registered) => void
  readonly onLoadFailed?: (error: unknown) => void
}

export interface App {
  /** Where the API listens; undefined when this process does not serve it. */
  readonly url: string | undefined
  /** A key with all permissions, when this process made or holds one. */
  readonly key: string | undefined
  /** Whether the key was made by this start. */
  readonly keyIsNew: boolean
  readonly keyFile: string
  readonly tenantId: string
  /** Lets work under way finish for the configured grace, then stops all, in reverse. */
  stop(): Promise<void>
}

const VERSION = '0.1.0'
const SANDBOX_IDLE_MS = 30_000
const OUTBOUND_TIMEOUT_MS = 120_000
const OUTBOUND_BYTES = 4_194_304
const MODEL_TIMEOUT_MS = 600_000

/** `host:port`, as the allow-list has it. */
const hostOf = (url: string): string => {
  const { hostname, port, protocol } = new URL(url)
  return `${hostname}:${port || (protocol === 'https:' ? 443 : 80)}`
}

const openDatabase = async (config: Config, hub: EventHub, log: FastifyBaseLogger): Promise<Database> => {
  if (config.DB_CLIENT === 'sqlite') {
    const { openSqliteDatabase } = await import('./platform/db/sqlite.ts')
    return openSqliteDatabase({ file: join(config.AIDOS_DATA_DIR, 'aidos.db'), hub })
  }
  const { openPostgresDatabase } = await import('./platform/db/postgres.ts')
  return openPostgresDatabase({
    host: config.DB_HOST,
    port: config.DB_PORT,
    database: config.DB_NAME,
    user: config.DB_USER,
    password: config.DB_PASSWORD,
    poolMin: config.DB_POOL_MIN,
    poolMax: config.DB_POOL_MAX,
    hub,
    onError: (error) => log.error({ err: error }, 'a connection to the database broke'),
  })
}

/** Builds all services. Nothing runs yet, but for the database's connection. */
const build = (config: Config, log: FastifyBaseLogger, hub: EventHub, db: Database) => {
  const clock = systemClock
  const makeId = makeIdGenerator()
  const workerId = makeId()
  const cacheMs = config.CACHE_L1_ENABLED ? config.CACHE_L1_TTL : 0
  const cacheMax = config.CACHE_L1_MAX_SIZE
  const payloadLimitBytes = config.PAYLOAD_LIMIT_BYTES
  const owner: { tenantId?: string } = {}
  const filesRoot = makeFilesRoot({
    dataDir: config.AIDOS_DATA_DIR,
    configured: config.AIDOS_FILES_ROOT,
    operatorId: () => owner.tenantId,
  })

  const queue = makeLocalQueue({ clock, onError: (error, job) => log.error({ err: error, job }, 'a job broke') })
  const outbound = makeOutbound({
    allow: config.OUTBOUND_ALLOW,
    timeoutMs: OUTBOUND_TIMEOUT_MS,
    maxResponseBytes: OUTBOUND_BYTES,
  })
  // The operator's own model may stand beside AIDOS, where nothing else may be called.
  const modelOutbound = makeOutbound({
    allow: config.MODEL_BASE_URL ? [...config.OUTBOUND_ALLOW, hostOf(config.MODEL_BASE_URL)] : config.OUTBOUND_ALLOW,
    timeoutMs: MODEL_TIMEOUT_MS,
    maxResponseBytes: OUTBOUND_BYTES,
  })
  const sandbox = makeSandbox({ maxWorkers: Math.max(1, availableParallelism() - 1), idleMs: SANDBOX_IDLE_MS, clock })
  const workers = makeWorkers({ db, id: workerId, roles: config.AIDOS_ROLES, leaseMs: config.LEASE_MS, now: clock.now })
  const tenants = makeTenantService({ db, clock, makeId, keyCacheMs: cacheMs, keyCacheMax: cacheMax })
  const builtins = makeBuiltinSkills({ filesRoot, outbound, clock })
  const skills = makeSkillService({
    db,
    clock,
    makeId,
    sandbox,
    outbound,
    builtins,
    maxOutputBytes: payloadLimitBytes,
    cacheMs,
    cacheMax,
  })
  const { MODEL_BASE_URL: baseUrl, MODEL_API_KEY: apiKey, MODEL_NAME: model } = config
  const agents = makeAgentService({
    db,
    clock,
    makeId,
    skills,
    model: makeModelClient({ fetch: modelOutbound.asFetch(), clock }),
    defaultModel: baseUrl ? { baseUrl, apiKey: apiKey || undefined, model } : undefined,
    compileSchema: makeSchemaCompiler(),
  })

  const code = makeCodeHandlers()
  // Runs make tasks and tasks wake runs; notifications are tasks and make tasks. These knots are tied here.
  const knot: { engine?: Engine; notifications?: NotificationService } = {}
  const handlers: HandlerSource = {
    async find(tenantId, kind) {
      const delivery = knot.notifications?.handler(kind)
      if (delivery) return delivery
      if (!kind.startsWith('skill:')) return code.find(kind)
      const tool = await skills.toolHandler(tenantId, kind)
      return (input, call) => tool.run(input, call)
    },
    defaultsOf: (kind) => code.defaultsOf(kind),
  }
  const tasks = makeTaskService({
    db,
    queue,
    clock,
    log,
    makeId,
    workerId,
    handlers,
    inbox: () => (knot.engine as Engine).inbox,
    concurrency: config.QUEUE_CONCURRENCY,
    windowSize: config.QUEUE_WINDOW,
    defaultAttempts: config.QUEUE_MAX_ATTEMPTS,
    payloadLimitBytes,
  })
  const workflows = makeWorkflowService({ db, clock, makeId, cacheMs, cacheMax })
  const programs: ProgramSource = {
    locate: (request) => (request.kind === 'agent' ? agents : workflows).locate(request),
    load: (run) => (run.kind === 'agent' ? agents : workflows).load(run),
  }
  const engine = makeEngine({
    db,
    queue,
    clock,
    makeId,
    log,
    workerId,
    workers,
    programs,
    tasks,
    payloadLimitBytes,
    liveMax: config.RUNS_LIVE_MAX,
    windowSize: config.QUEUE_WINDOW,
  })
  knot.engine = engine
  const targets = makeEngineTargets({ engine, tasks, now: clock.now })
  const schedules = makeScheduleService({ db, hub, clock, makeId, log, targets })
  const notifications = makeNotificationService({
    db,
    clock,
    makeId,
    log,
    hub,
    outbound,
    secretKey: readSecretKey({
      configured: config.AIDOS_SECRET_KEY,
      dataDir: config.AIDOS_DATA_DIR,
      isEmbedded: db.isExclusive,
    }),
    createTask: (request) => tasks.create(request),
    eventLog: makeEventLog(db),
  })
  knot.notifications = notifications
  return {
    owner,
    makeId,
    queue,
    outbound,
    modelOutbound,
    sandbox,
    workers,
    tenants,
    skills,
    agents,
    code,
    tasks,
    workflows,
    engine,
    schedules,
    notifications,
  }
}

type Services = ReturnType<typeof build>

const makeServer = (
  config: Config,
  log: FastifyBaseLogger,
  hub: EventHub,
  db: Database,
  services: Services,
): Promise<HttpServer> => {
  const { engine, tasks, workflows, agents, skills, schedules, notifications, tenants, makeId } = services
  const eventLog = makeEventLog(db)
  const metrics = makeMetrics()
  metrics.gaugeBy('aidos_tasks', 'Tasks by status.', 'status', () => tasks.tasks.countByStatus())
  metrics.gaugeBy('aidos_runs', 'Runs by status.', 'status', () => engine.runs.countByStatus())
  metrics.gauge('aidos_runs_live', 'Runs in memory.', () => engine.stats.live)
  metrics.gauge('aidos_tasks_active', 'Attempts under way here.', () => tasks.active)
  metrics.gauge(
    'aidos_commit_transactions',
    'Transactions of the group commit since the start.',
    () => db.commitStats.transactions,
  )
  metrics.gauge('aidos_commit_units', 'Units that those transactions carried.', () => db.commitStats.units)
  metrics.gauge('aidos_memory_bytes', 'Resident memory of the process.', () => process.memoryUsage.rss())
  return makeHttpServer({
    log,
    makeId,
    bodyLimitBytes: config.BODY_LIMIT_BYTES,
    version: VERSION,
    authenticate: (authorization) => tenants.authenticate(authorization),
    routes: [
      makeHealthRoutes({ metrics, ready: () => db.ping() }),
      makeRunRoutes({ engine, log: eventLog, hub, payloadLimitBytes: config.PAYLOAD_LIMIT_BYTES }),
      makeTaskRoutes({ tasks, log: eventLog, hub, now: systemClock.now }),
      makeWorkflowRoutes(workflows),
      makeAgentRoutes(agents),
      makeSkillRoutes(skills),
      makeScheduleRoutes(schedules),
      makeNotificationRoutes(notifications),
      makeTenantRoutes(tenants),
    ],
  })
}

/** Parts as data: how each starts, and how it stops. */
const makeParts = (config: Config, services: Services, server: HttpServer | undefined) => {
  const { engine, tasks, schedules, notifications } = services
  const grace = config.SHUTDOWN_GRACE_MS
  const parts: Record<Part, { start(): Promise<unknown> | undefined; stop(): Promise<void> }> = {
    executor: { start: async () => tasks.startExecutor(), stop: () => tasks.stop(grace) },
    runs: { start: () => engine.start(), stop: () => engine.stop(grace) },
    timers: { start: () => tasks.startSweeper(), stop: async () => {} },
    notifier: { start: async () => notifications.start(), stop: async () => notifications.stop() },
    schedules: { start: () => schedules.start(), stop: async () => schedules.stop() },
    http: { start: () => server?.listen({ host: config.HOST, port: config.PORT }), stop: async () => server?.close() },
  }
  return parts
}

const addressOf = (server: HttpServer | undefined): string | undefined => {
  const address = server?.addresses()[0]
  if (!address || typeof address === 'string') return undefined
  return `http://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`
}

/** The key for the machine's owner: the one stored beside the database, or a new one when there is none. */
const ownersKey = async (config: Config, { tenants }: Services, tenantId: string, made: string | undefined) => {
  const file = credentialsFile(config.AIDOS_DATA_DIR)
  const known = readCredentials(file)?.key
  const isKnownGood = known !== undefined && (await isAccepted(known, tenants))
  if (made === undefined && isKnownGood) return { file, key: known, isNew: false }
  if (made !== undefined) return { file, key: made, isNew: true }
  if (config.DB_CLIENT !== 'sqlite') return { file, key: undefined, isNew: false }
  // Whoever owns the folder owns the database: a lost key is replaced.
  const { key } = await tenants.createKey({
    tenantId,
    projectId: null,
    name: 'replaced key',
    scopes: ['*'],
    expiresAtMs: null,
  })
  return { file, key, isNew: true }
}

const isAccepted = async (key: string, tenants: Services['tenants']): Promise<boolean> => {
  try {
    await tenants.authenticate(`Bearer ${key}`)
    return true
  } catch (error) {
    if (error instanceof AppError) return false
    throw error
  }
}

/** Starts the parts of this process's roles. Resolves when they work; rejects, with everything stopped again, when one cannot. */
export const startApp = async (options: AppOptions): Promise<App> => {
  const { config, load = [] } = options
  const log = options.log ?? makeLog(config.LOG_LEVEL)
  const hub = makeEventHub()
  const stops: (() => unknown)[] = []
  const stopAll = async (): Promise<void> => {
    for (const stop of stops.splice(0).reverse()) await stop()
  }
  // Code of users may drop a promise: that is its fault to mend, and no reason to take all others down.
  const onUnhandled = (error: unknown): void => log.error({ err: error }, 'a promise was rejected and nobody looked')
  process.on('unhandledRejection', onUnhandled)
  stops.push(() => void process.off('unhandledRejection', onUnhandled))
  try {
    const db = await openDatabase(config, hub, log)
    stops.push(() => db.stop())
    await migrate(db, migrations)
    const services = build(config, log, hub, db)
    const { engine, tasks, queue, sandbox, outbound, modelOutbound, workers, tenants } = services
    stops.push(() => Promise.all([outbound.stop(), modelOutbound.stop()]))
    stops.push(() => sandbox.stop())
    stops.push(() => queue.stop())

    const { tenant, key: made } = await tenants.ensureDefaultTenant()
    services.owner.tenantId = tenant.id
    const owner = await ownersKey(config, services, tenant.id, made)
    const register = async (edition: number): Promise<void> => {
      const items = (await Promise.all(load.map((folder) => readFolder(folder, edition)))).flat()
      const lines = await registerAll(items, { ...services, tenantId: tenant.id })
      if (items.length > 0) options.onLoaded?.(lines)
    }
    await register(0)
    if (options.watch) {
      let edition = 0
      stops.push(watchFolders(load, () => register(++edition).catch((error: unknown) => options.onLoadFailed?.(error))))
    }

    const wanted = partsOf(config.AIDOS_ROLES)
    const server = wanted.includes('http') ? await makeServer(config, log, hub, db, services) : undefined
    const parts = makeParts(config, services, server)
    await workers.join()
    const leases = makeLeaseKeeper({
      workers,
      clock: systemClock,
      leaseMs: config.LEASE_MS,
      async takeOver(workerIds) {
        await tasks.takeOver(workerIds)
        await engine.takeOver(workerIds)
      },
      onLost() {
        log.fatal('this process did not answer for longer than LEASE_MS and others took over its work; it stops')
        process.exitCode = 1
        void stopAll()
      },
      onError: (error) => log.error({ err: error }, 'the lease could not be renewed'),
    })
    await leases.start()
    stops.push(() => leases.stop())
    for (const name of wanted) {
      await parts[name].start()
      stops.push(() => parts[name].stop())
    }
    const url = addressOf(server)
    if (url && owner.key) writeCredentials(owner.file, { url, key: owner.key })
    log.info({ url, roles: config.AIDOS_ROLES, runs: engine.stats }, 'AIDOS is ready')
    return { url, key: owner.key, keyIsNew: owner.isNew, keyFile: owner.file, tenantId: tenant.id, stop: stopAll }
  } catch (error) {
    await stopAll()
    throw error
  }
}
