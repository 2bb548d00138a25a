/**
 * The composition root: waits for the servers, opens the database, builds the services (`app/services.ts`), and starts the parts that this
 * process's roles call for.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyBaseLogger } from 'fastify'
import { credentialsFile, writeCredentials } from './app/credentials.ts'
import { followEditions, readFolder } from './app/loader.ts'
import { ensureOwnerKey, type OwnerKey, readGivenKey } from './app/owner-key.ts'
import { makeParts } from './app/parts.ts'
import { type Registered, registerAll } from './app/registrar.ts'
import { makeAppServer } from './app/server.ts'
import { buildServices, type Foundation, openDatabase } from './app/services.ts'
import { openShared } from './app/shared.ts'
import { type Patience, waitErrors } from './app/wait-for.ts'
import { waitForDatabase } from './app/wait-for-database.ts'
import { makeWaitingRoom, type WaitingRoom } from './app/waiting-room.ts'
import { watchFolders } from './app/watch.ts'
import { makeAudit } from './audit/index.ts'
import type { Config } from './config.ts'
import { makeLeaseKeeper } from './engine/index.ts'
import { migrations } from './migrations/index.ts'
import { systemClock } from './platform/clock.ts'
import { isOutage } from './platform/db/errors.ts'
import { migrate } from './platform/db/migrate.ts'
import { makeOutageWatch } from './platform/db/outages.ts'
import { makeDuties } from './platform/duties.ts'
import { messageOf } from './platform/errors.ts'
import { makeEventHub } from './platform/events/hub.ts'
import { relayEvents } from './platform/events/relay.ts'
import type { HttpServer } from './platform/http/server.ts'
import { makeIdGenerator } from './platform/ids.ts'
import { makeUsageMeter } from './platform/limits/usage.ts'
import { makeLog } from './platform/log.ts'
import { isRedisAway } from './platform/redis/errors.ts'
import { partsOf } from './roles.ts'

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
  /** Ends a start that waits for its servers; an app that has started is ended by its `stop`. */
  readonly signal?: AbortSignal
  /** Told when others have taken over what this process holds: it has called off its work, and the caller should end the process. */
  readonly onLost?: () => void
}

export interface App {
  /** Where it listens. */
  readonly url: string | undefined
  /** Whether the API is there, besides health and figures. */
  readonly servesApi: boolean
  /** A key with all permissions, when this process made or holds one. */
  readonly key: string | undefined
  /** Whether the key was made by this start. */
  readonly keyIsNew: boolean
  /** Where the key is kept; undefined when it is not. */
  readonly keyFile: string | undefined
  readonly tenantId: string
  /** Lets work under way finish for the configured grace, then stops all, in reverse. */
  stop(): Promise<void>
}

const addressOf = (server: HttpServer): string | undefined => {
  const address = server.addresses()[0]
  if (!address || typeof address === 'string') return undefined
  return `http://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`
}

const NO_KEY: OwnerKey = { key: undefined, isNew: false }
/** How long a process that has lost its work takes to call it off. */
const ABANDON_MS = 500
const AGAIN_MS = 1000

interface Start extends AppOptions {
  readonly log: FastifyBaseLogger
  readonly givenKey: string | undefined
  readonly room: WaitingRoom
}

/** One try. Rejects, with everything stopped again, when it fails. */
const startOnce = async (options: Start): Promise<App> => {
  const { config, load = [], log, givenKey, room, signal } = options
  const patience: Patience = { log, signal, onAway: room.tell }
  const hub = makeEventHub()
  const makeId = makeIdGenerator()
  const workerId = makeId()
  const stops: (() => unknown)[] = []
  const stopAll = async (): Promise<void> => {
    const failures: unknown[] = []
    for (const stop of stops.splice(0).reverse()) {
      try {
        await stop()
      } catch (error) {
        failures.push(error)
      }
    }
    // One that cannot stop does not keep the others going.
    if (failures.length > 0) throw failures[0]
  }
  // Code of users may drop a promise: that is its fault to mend, and no reason to take all others down.
  const onUnhandled = (error: unknown): void => log.error({ err: error }, 'a promise was rejected and nobody looked')
  process.on('unhandledRejection', onUnhandled)
  stops.push(() => void process.off('unhandledRejection', onUnhandled))
  try {
    await waitForDatabase(config, patience)
    const opened = await openDatabase(config, hub, log)
    stops.push(() => opened.stop())
    await migrate(opened, migrations)
    const audit = makeAudit({ db: opened, clock: systemClock, makeId })
    const meter = makeUsageMeter({ db: audit.db, clock: systemClock, workerId })
    const { db } = meter
    const shared = await openShared(config, log, workerId, patience)
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
    services.owner.tenantId = tenant.id
    const register = async (edition: number): Promise<void> => {
      const items = (await Promise.all(load.map((folder) => readFolder(folder, edition)))).flat()
      const lines = await registerAll(items, { ...services, tenantId: tenant.id })
      if (items.length > 0) options.onLoaded?.(lines)
    }
    await register(0)
    if (options.watch) {
      let edition = 0
      stops.push(followEditions(load))
      stops.push(watchFolders(load, () => register(++edition).catch((error: unknown) => options.onLoadFailed?.(error))))
    }

    const outages = makeOutageWatch({
      ...{ db, clock: systemClock, tenantId: tenant.id },
      onError: (error) => log.error({ err: error }, 'the watch over the database stumbled'),
    })
    outages.start()
    stops.push(() => outages.stop())

    await workers.join()
    /** Nothing of it can be committed any more: there is nothing to wait for. */
    const abandon = (): Promise<unknown> => {
      const calledOff = Promise.allSettled([tasks.stop(0), engine.stop(0)]).then(stopAll)
      return Promise.race([calledOff.catch(() => {}), sleep(ABANDON_MS)])
    }
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
        log.fatal('this process did not answer for longer than LEASE_MS and others took over its work; it ends')
        void abandon().finally(() => options.onLost?.())
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
    const servesApi = wanted.includes('api')
    const parts = makeParts(foundation, services, duties)
    for (const name of wanted) {
      await parts[name].start()
      stops.push(() => parts[name].stop())
    }
    let isStarted = false
    const server = await makeAppServer(foundation, services, {
      servesApi,
      async ready() {
        if (!isStarted) throw new Error('it is starting')
        await db.ping()
        await redis?.ping()
        leases.assertHeld()
        if (wanted.includes('executor')) tasks.assertReady()
        if (wanted.includes('runs')) engine.assertReady()
      },
    })
    await room.close()
    await server.listen({ host: config.HOST, port: config.PORT })
    stops.push(() => server.close())
    const url = addressOf(server)
    // As late as can be: a key that is made by a start that fails would be lost.
    const owner = servesApi ? await ensureOwnerKey({ config, tenants, tenantId: tenant.id, given: givenKey }) : NO_KEY
    const file = credentialsFile(config.AIDOS_DATA_DIR)
    // A key that was given is the operator's to keep.
    const isKept = owner.key !== undefined && owner.key !== givenKey
    if (url && owner.key && isKept) writeCredentials(file, { url, key: owner.key })
    isStarted = true
    log.info({ url, workerId, roles: config.AIDOS_ROLES, runs: engine.stats }, 'AIDOS is ready')
    const { key, isNew: keyIsNew } = owner
    return { url, servesApi, key, keyIsNew, keyFile: isKept ? file : undefined, tenantId: tenant.id, stop: stopAll }
  } catch (error) {
    // What waits for a server that is away must not hold up a process that was told to stop.
    if (signal?.aborted) void stopAll().catch(() => {})
    else await stopAll().catch((cause: unknown) => log.error({ err: cause }, 'the start could not be undone'))
    throw error
  }
}

/**
 * Starts the parts of this process's roles, as soon as its servers are there. Resolves when they work; rejects, with everything stopped
 * again, when one cannot.
 */
export const startApp = async (options: AppOptions): Promise<App> => {
  const { config, signal } = options
  const log = options.log ?? makeLog(config.LOG_LEVEL)
  const givenKey = readGivenKey(config)
  const room = makeWaitingRoom({ host: config.HOST, port: config.PORT })
  try {
    for (;;) {
      try {
        return await startOnce({ ...options, log, givenKey, room })
      } catch (error) {
        if (!isOutage(error) && !isRedisAway(error)) throw error
        if (signal?.aborted) throw waitErrors.start_stopped('stopped before it was ready')
        log.warn({ err: error }, 'a server went away during the start; starting anew')
        await room.tell(`starting anew: ${messageOf(error)}`)
        await sleep(AGAIN_MS, undefined, signal ? { signal } : {}).catch(() => {})
      }
    }
  } finally {
    await room.close()
  }
}
