/** Prepares a database once for all processes of a cluster: the tables, the first tenant, the owner's key. Harmless when done again. */
import type { FastifyBaseLogger } from 'fastify'
import { makeAudit } from '../audit/index.ts'
import type { Config } from '../config.ts'
import { migrations } from '../migrations/index.ts'
import { systemClock } from '../platform/clock.ts'
import { migrate } from '../platform/db/migrate.ts'
import { makeEventHub } from '../platform/events/hub.ts'
import { makeIdGenerator } from '../platform/ids.ts'
import { makeTenantService } from '../tenants/index.ts'
import { readGivenKey } from './owner-key.ts'
import { openDatabase } from './services.ts'
import { waitForDatabase } from './wait-for-database.ts'

export interface BootstrapOptions {
  readonly config: Config
  readonly log: FastifyBaseLogger
  readonly signal: AbortSignal
  /** How long it waits for the database. */
  readonly waitMs: number
}

export interface Bootstrapped {
  readonly tenantId: string
  /** Names of the migrations that were missing. */
  readonly migrated: readonly string[]
  /** `made`: now, and `key` has it. `given`: it counts from now on. `known`: there was one, or the given one counted already. */
  readonly owner: 'made' | 'given' | 'known'
  readonly key: string | undefined
}

/** Throws what `startApp` throws of the database and of a given key, and `server_away` when the database is not there in time. */
export const bootstrap = async ({ config, log, signal, waitMs }: BootstrapOptions): Promise<Bootstrapped> => {
  const given = readGivenKey(config)
  await waitForDatabase(config, { log, signal, withinMs: waitMs })
  const opened = await openDatabase(config, makeEventHub(), log)
  try {
    const migrated = await migrate(opened, migrations)
    const makeId = makeIdGenerator()
    const { db } = makeAudit({ db: opened, clock: systemClock, makeId })
    const tenants = makeTenantService({ db, clock: systemClock, makeId, keyCacheMs: 0, keyCacheMax: 1 })
    const { id: tenantId } = await tenants.ensureDefaultTenant()
    if (given !== undefined) {
      const isNew = await tenants.ownerKeys.adopt(tenantId, given)
      return { tenantId, migrated, owner: isNew ? 'given' : 'known', key: undefined }
    }
    const key = await tenants.ownerKeys.createFirst(tenantId)
    return { tenantId, migrated, owner: key === undefined ? 'known' : 'made', key }
  } finally {
    await opened.stop()
  }
}
