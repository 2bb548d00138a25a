/**
 * The composition root: opens the database, builds the services (`app/services.ts`), and starts the parts that this process's roles
 * call for.
 */
import type { FastifyBaseLogger } from 'fastify'
import { credentialsFile, readCredentials, writeCredentials } from './app/credentials.ts'
import { readFolder } from './app/loader.ts'
import { type Registered, registerAll } from './app/registrar.ts'
import { makeAppServer } from './app/server.ts'
import { buildServices, type Foundation, openDatabase, type Services } from './app/services.ts'
import { openShared } from './app/shared.ts'
import { watchFolders } from './app/watch.ts'
import { makeAudit } from './audit/index.ts'
import type { Config } from './config.ts'
import { makeLeaseKeeper } from './engine/index.ts'
import { migrations } from './migrations/index.ts'
import { systemClock } from './platform/clock.ts'
import { migrate } from './platform/db/migrate.ts'
import { makeOutageWatch } from './platform/db/outages.ts'
import { type Duties, makeDuties } from './platform/duties.ts'
import { AppError } from './platform/errors.ts'
import { makeEventHub } from './platform/events/hub.ts'
import { relayEvents } from './platform/events/relay.ts'
import type { HttpServer } from './platform/http/server.ts'
import { makeIdGenerator } from './platform/ids.ts'
import { makeUsageMeter } from './platform/limits/usage.ts'
import { makeLog } from './platform/log.ts'
import { type Part, partitionsOf, partsOf } from './roles.ts'

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

/** Parts as data: how each starts, and how it stops. */
const makeParts = ({ config }: Foundation, services: Services, duties: Duties) => {
  const { engine, tasks, schedules, notifications } = services
  const grace = config.SHUTDOWN_GRACE_MS
  const partitions = partitionsOf(config.AIDOS_ROLES)
  const parts: Record<Part, { start(): unknown; stop(): unknown }> = {
    executor: { start: () => tasks.startExecutor(partitions), stop: () => tasks.stop(grace) },
    runs: { start: () => engine.start(partitions), stop: () => engine.stop(grace) },
    timers: duties,
    notifier: notifications,
    schedules,
    api: { start: () => {}, stop: () => {} },
  }
  return parts
}

const addressOf = (server: HttpServer): string | undefined => {
  const address = server.addresses()[0]
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
  const { key } = await tenants.keys.create({
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
  const makeId = makeIdGenerator()
  const workerId = makeId()
  const stops: (() => unknown)[] = []
  const stopAll = async (): Promise<void> => {
    for (const stop of stops.splice(0).reverse()) await stop()
  }
  // Code of users may drop a promise: that is its fault to mend, and no reason to take all others down.
  const onUnhandled = (error: unknown): void => log.error({ err: error }, 'a promise was rejected and nobody looked')
  process.on('unhandledRejection', onUnhandled)
  stops.push(() => void process.off('unhandledRejection', onUnhandled))
  try {
    const opened = await openDatabase(config, hub, log)
    stops.push(() => opened.stop())
    await migrate(opened, migrations)
    const audit = makeAudit({ db: opened, clock: systemClock, makeId })
    const meter = makeUsageMeter({ db: audit.db, clock: systemClock, workerId })
    const { db } = meter
    const shared = await openShared(config, log, workerId)
    stops.push(() => shared.stop())
    const { queue, window, bus, redis, deadLetterCopies } = shared
    if (bus.isShared) relayEvents(hub, bus)
    const foundation: Foundation = {
      config,
      log,
      hub,
      db,
      audit,
      meter,
      queue,
      window,
      bus,
      redis,
      deadLetterCopies,
      makeId,
      workerId,
    }
    const services = buildServices(foundation)
    const { engine, tasks, sandbox, outbound, modelOutbound, objectStore, workers, tenants, identity } = services
    stops.push(() => Promise.all([outbound.stop(), modelOutbound.stop(), objectStore.stop(), identity.stop()]))
    stops.push(() => sandbox.stop())

    const tenant = await tenants.ensureDefaultTenant()
    const made = await tenants.ownerKeys.createFirst(tenant.id)
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

    const outages = makeOutageWatch({
      ...{ db, clock: systemClock, tenantId: tenant.id },
      onError: (error) => log.error({ err: error }, 'the watch over the database stumbled'),
    })
    outages.start()
    stops.push(() => outages.stop())

    await workers.join()
    const leases = makeLeaseKeeper({
      workers,
      bus,
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
    leases.start()
    stops.push(() => leases.stop())
    const duties = makeDuties({
      ...{ db, bus, clock: systemClock, workerId },
      onError: (error) => log.error({ err: error }, 'duties could not be shared out'),
      duties: [
        { name: 'take-over', ...leases.takeOver },
        { name: 'runs', ...engine.sweeper },
        { name: 'tasks', ...tasks.sweepers.due },
        { name: 'answers', ...tasks.sweepers.answers },
        { name: 'retention', ...services.retention },
        { name: 'schedule-history', ...services.schedules.history },
        { name: 'redrives', ...tasks.sweepers.redrives },
        { name: 'dead-letters', ...tasks.sweepers.deadLetters },
      ],
    })
    await bus.start()
    await services.queues.start()
    stops.push(() => services.queues.stop())
    const wanted = partsOf(config.AIDOS_ROLES)
    const parts = makeParts(foundation, services, duties)
    for (const name of wanted) {
      await parts[name].start()
      stops.push(() => parts[name].stop())
    }
    const server = await makeAppServer(foundation, services, {
      servesApi: wanted.includes('api'),
      async ready() {
        await db.ping()
        await redis?.ping()
        leases.assertHeld()
        if (wanted.includes('executor')) tasks.assertReady()
        if (wanted.includes('runs')) engine.assertReady()
      },
    })
    await server.listen({ host: config.HOST, port: config.PORT })
    stops.push(() => server.close())
    const url = addressOf(server)
    if (url && owner.key && wanted.includes('api')) writeCredentials(owner.file, { url, key: owner.key })
    log.info({ url, workerId, roles: config.AIDOS_ROLES, runs: engine.stats }, 'AIDOS is ready')
    return { url, key: owner.key, keyIsNew: owner.isNew, keyFile: owner.file, tenantId: tenant.id, stop: stopAll }
  } catch (error) {
    await stopAll()
    throw error
  }
}
