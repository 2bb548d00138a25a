/** Builds every service once, from the configuration, each handed what it needs: who knows whom is read here. */
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import type { FastifyBaseLogger } from 'fastify'
import { makeAgentService, makeModelClient } from '../agents/index.ts'
import type { Audit } from '../audit/index.ts'
import { type Config, environmentValue } from '../config.ts'
import { type Engine, makeEngine, makeWorkers, type ProgramSource } from '../engine/index.ts'
import { makeNotificationService, type NotificationService, OUTBOX_CURSOR } from '../notifications/index.ts'
import type { Bus } from '../platform/bus/bus.ts'
import { systemClock } from '../platform/clock.ts'
import type { Database } from '../platform/db/database.ts'
import type { EventHub } from '../platform/events/hub.ts'
import { makeEventLog } from '../platform/events/log.ts'
import { makeTraces } from '../platform/http/trace-context.ts'
import type { MakeId } from '../platform/ids.ts'
import type { UsageMeter } from '../platform/limits/usage.ts'
import { makeOutbound } from '../platform/outbound/outbound.ts'
import type { Queue } from '../platform/queue/queue.ts'
import type { Window } from '../platform/queue/window.ts'
import type { RedisConnection } from '../platform/redis/connection.ts'
import { keyWithin } from '../platform/scope.ts'
import { makeSecretBox } from '../platform/secret-box.ts'
import { makeSecretKeys } from '../platform/secret-keys.ts'
import { makeQueueService } from '../queues/index.ts'
import { makeRetention } from '../retention/index.ts'
import { makeEngineTargets, makeScheduleService } from '../scheduler/index.ts'
import { makeRotation, makeSecretService } from '../secrets/index.ts'
import { makeBuiltinSkills, makeSandbox, makeSchemaCompiler, makeSkillService } from '../skills/index.ts'
import { type DeadLetterCopies, type HandlerSource, makeCodeHandlers, makeTaskService } from '../tasks/index.ts'
import { HTTP_INVOKE, makeHttpInvoke, makeWorkflowService } from '../workflows/index.ts'
import { readBindings, readConnections } from './bindings.ts'
import { makeBrokenConnections } from './broken-connections.ts'
import { makeFilesRoot } from './files-root.ts'
import { makeGateway, withQuota } from './gateway.ts'
import { hostOf, makeIdentity } from './identity.ts'
import { mailOptions } from './mail.ts'
import { makeObjectStore } from './object-store.ts'
import { makeSecretKeyReader } from './secret-key.ts'

const SANDBOX_IDLE_MS = 30_000
const OUTBOUND_TIMEOUT_MS = 120_000
const OUTBOUND_BYTES = 4_194_304
const MODEL_TIMEOUT_MS = 600_000

export const openDatabase = async (config: Config, hub: EventHub, log: FastifyBaseLogger): Promise<Database> => {
  if (config.DB_CLIENT === 'sqlite') {
    const { openSqliteDatabase } = await import('../platform/db/sqlite.ts')
    return openSqliteDatabase({ file: join(config.AIDOS_DATA_DIR, 'aidos.db'), hub })
  }
  const { openPostgresDatabase } = await import('../platform/db/postgres.ts')
  return openPostgresDatabase({
    host: config.DB_HOST,
    port: config.DB_PORT,
    database: config.DB_NAME,
    user: config.DB_USER,
    password: config.DB_PASSWORD,
    poolMin: config.DB_POOL_MIN,
    poolMax: config.DB_POOL_MAX,
    hub,
    onError: makeBrokenConnections(log, systemClock),
  })
}

/** What the services stand on: each is open and knows nothing of them. */
export interface Foundation {
  readonly audit: Audit
  readonly meter: UsageMeter
  readonly config: Config
  readonly log: FastifyBaseLogger
  readonly hub: EventHub
  readonly db: Database
  readonly queue: Queue
  readonly window: Window
  readonly bus: Bus
  readonly makeId: MakeId
  readonly workerId: string
  readonly redis: RedisConnection | undefined
  readonly deadLetterCopies: DeadLetterCopies | undefined
}

/** Builds all services. Nothing runs yet, but for the database's connection. */
export const buildServices = ({
  config,
  log,
  hub,
  db,
  queue,
  window,
  bus,
  makeId,
  workerId,
  meter,
  redis,
  deadLetterCopies,
}: Foundation) => {
  const clock = systemClock
  const cacheMs = config.CACHE_L1_ENABLED ? config.CACHE_L1_TTL : 0
  const cacheMax = config.CACHE_L1_MAX_SIZE
  const payloadLimitBytes = config.PAYLOAD_LIMIT_BYTES
  const owner: { tenantId?: string } = {}
  const filesRoot = makeFilesRoot({
    dataDir: config.AIDOS_DATA_DIR,
    configured: config.AIDOS_FILES_ROOT,
    operatorId: () => owner.tenantId,
  })

  const traces = makeTraces()
  const outbound = makeOutbound({
    allow: config.OUTBOUND_ALLOW,
    headers: traces.outgoing,
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
  const keys = makeSecretKeys(
    makeSecretKeyReader({
      configured: config.AIDOS_SECRET_KEY,
      file: config.AIDOS_SECRET_KEY_FILE,
      dataDir: config.AIDOS_DATA_DIR,
      isEmbedded: db.isExclusive,
    }),
    clock.now,
  )
  const box = makeSecretBox(keys)
  const identity = makeIdentity({
    ...{ config, log, db, hub, clock, makeId, keys, box, cacheMs, cacheMax },
    forgetMember: (...member) => (knot.notifications as NotificationService).forgetMember(...member),
  })
  const { tenants } = identity
  const secrets = makeSecretService({ db, clock, makeId, box })
  const gateway = makeGateway({
    ...{ config, log, db, clock, makeId, box, meter, redis, traces },
    async isRepeated({ wanted, idempotencyKey, ...scope }) {
      const key = keyWithin(scope, idempotencyKey)
      const { findByIdempotencyKey } = wanted === 'run' ? (knot.engine as Engine).runs : tasks.tasks
      return (await findByIdempotencyKey(scope.tenantId, key)) !== undefined
    },
  })
  const builtins = makeBuiltinSkills({ filesRoot, outbound, clock })
  const skills = makeSkillService({
    db,
    clock,
    makeId,
    sandbox,
    outbound,
    revealSecret: secrets.reveal,
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
    revealSecret: secrets.reveal,
    model: makeModelClient({ fetch: modelOutbound.asFetch(), clock }),
    onUsage: gateway.countTokens,
    checkQuota: gateway.checkModelQuota,
    defaultModel: baseUrl ? { baseUrl, apiKey: apiKey || undefined, model } : undefined,
    compileSchema: makeSchemaCompiler(),
  })

  const code = makeCodeHandlers()
  const connections = readConnections(config.AIDOS_BINDINGS_FILE, environmentValue)
  const httpInvoke = makeHttpInvoke({ outbound, connections })
  const objectStore = makeObjectStore({ config, clock, operatorId: () => owner.tenantId })
  // Runs make tasks and tasks wake runs; notifications are tasks and make tasks. These knots are tied here.
  const knot: { engine?: Engine; notifications?: NotificationService } = {}
  const handlers: HandlerSource = {
    async find(scope, kind) {
      const delivery = knot.notifications?.handler(kind)
      if (delivery) return delivery
      if (kind === HTTP_INVOKE) return httpInvoke
      if (!kind.startsWith('skill:')) return code.find(kind)
      const tool = await skills.toolHandler(scope, kind)
      return (input, call) => tool.run(input, call)
    },
    defaultsOf: (kind) => code.defaultsOf(kind),
  }
  const queues = makeQueueService({
    db,
    bus,
    clock,
    onError: (error) => log.error({ err: error }, 'the rules of the queues could not be read'),
  })
  const carrying = { db, queue, window, rules: queues.rules, bus, clock, log, makeId, workerId, payloadLimitBytes }
  const tasks = makeTaskService({
    ...carrying,
    deadLetterCopies,
    handlers,
    inbox: () => (knot.engine as Engine).inbox,
    concurrency: config.QUEUE_CONCURRENCY,
    defaultAttempts: config.QUEUE_MAX_ATTEMPTS,
  })
  const workflows = makeWorkflowService({
    db,
    clock,
    makeId,
    cacheMs,
    cacheMax,
    bindings: readBindings(config.AIDOS_BINDINGS_FILE),
    filesRoot,
    s3: objectStore.s3,
    startRun: async (request) => {
      const { run } = await (knot.engine as Engine).create({ ...request, priority: 3 })
      return run
    },
    payloadLimitBytes,
  })
  const programs: ProgramSource = {
    locate: (request) => (request.kind === 'agent' ? agents : workflows).locate(request),
    load: (run) => (run.kind === 'agent' ? agents : workflows).load(run),
  }
  const engine = makeEngine({
    ...carrying,
    hub,
    workers,
    programs,
    tasks,
    liveMax: config.RUNS_LIVE_MAX,
  })
  knot.engine = engine
  const targets = withQuota(makeEngineTargets({ engine, tasks, now: clock.now }), gateway.quotas)
  const schedules = makeScheduleService({
    ...{ db, hub, bus, clock, makeId, log, targets, payloadLimitBytes },
    lateMs: config.SCHEDULE_LATE_MS,
    keepFires: config.SCHEDULE_HISTORY_FIRES,
    keepMs: config.SCHEDULE_HISTORY_DAYS * 86_400_000,
  })
  const notifications = makeNotificationService({
    isMember: tenants.members.isMember,
    db,
    clock,
    makeId,
    log,
    hub,
    outbound,
    secretKey: keys,
    revealSecret: secrets.reveal,
    createTask: (request) => tasks.create(request),
    eventLog: makeEventLog(db),
    places: config.QUEUE_CONCURRENCY,
    ...mailOptions(config),
  })
  knot.notifications = notifications
  const retention = makeRetention({
    ...{ db, clock, log, readers: [OUTBOX_CURSOR] },
    keepDays: {
      runs: config.RETENTION_RUNS_DAYS,
      tasks: config.RETENTION_TASKS_DAYS,
      deliveries: config.RETENTION_DELIVERIES_DAYS,
      inbox: config.RETENTION_INBOX_DAYS,
      events: config.RETENTION_EVENTS_DAYS,
      audit: config.RETENTION_AUDIT_DAYS,
      usage: config.RETENTION_USAGE_DAYS,
    },
  })
  const rotation = makeRotation({
    keys,
    sealed: [
      { name: 'secrets', reseal: secrets.reseal },
      { name: 'channels', reseal: notifications.reseal },
    ],
  })
  return {
    owner,
    makeId,
    outbound,
    modelOutbound,
    objectStore,
    sandbox,
    workers,
    gateway,
    identity,
    tenants,
    secrets,
    rotation,
    skills,
    agents,
    code,
    queues,
    tasks,
    workflows,
    engine,
    schedules,
    notifications,
    retention,
  }
}

export type Services = ReturnType<typeof buildServices>
