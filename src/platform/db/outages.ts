/**
 * Tells that the database was away. A database that is away takes no event: so each process asks it now and then, remembers since when
 * there was no answer, and writes `system.shard_down` once there is one again. All processes of a cluster see the same outage; the row
 * of the shard lets the first of them tell, and no other.
 */
import { sql } from 'kysely'
import type { Clock } from '../clock.ts'
import { writeEvent } from '../events/write.ts'
import type { Database } from './database.ts'
import { isOutage } from './errors.ts'

/** There is one shard so far: the primary. */
const SHARD = 'main'
const EVERY_MS = 5000
const EVERY_WHILE_AWAY_MS = 500
/** Clocks of processes differ: what begins so soon after an outage that was told of is its end, seen by another. */
const SKEW_MS = 5000

interface Outage {
  readonly fromMs: number
  readonly untilMs: number
}

export interface OutageWatchOptions {
  readonly db: Database
  readonly clock: Clock
  /** Whose event it is: the operator's tenant. */
  readonly tenantId: string
  readonly onError: (error: unknown) => void
}

/** All connections of the pool are lent out: this process is busy, the database is there. */
const isBusyPool = (error: unknown): boolean =>
  /timeout exceeded when trying to connect/i.test((error as { message?: string }).message ?? '')

/** Writes the event, unless the same outage was told of already. */
const tell = async (db: Database, tenantId: string, { fromMs, untilMs }: Outage): Promise<void> => {
  await db.transaction(async (tx) => {
    const { numAffectedRows } = await sql`
      INSERT INTO shard_outages (shard, until_at) VALUES (${SHARD}, ${untilMs})
      ON CONFLICT (shard) DO UPDATE SET until_at = ${untilMs}
      WHERE shard_outages.until_at < ${fromMs - SKEW_MS}`.execute(tx)
    if (Number(numAffectedRows ?? 0) === 0) return
    await writeEvent(tx, {
      ...{ tenantId, projectId: null, atMs: untilMs },
      ...{ type: 'system.shard_down', data: { shard: SHARD, fromMs, untilMs } },
    })
  })
}

export interface OutageWatch {
  start(): void
  /** Asks the database, and tells of an outage that is over; done by itself while it watches. */
  look(): Promise<void>
  stop(): void
}

/** An embedded database is never away: it is not watched. */
export const makeOutageWatch = (options: OutageWatchOptions): OutageWatch => {
  const { db, clock, tenantId, onError } = options
  let awaySinceMs: number | undefined
  let isStopped = true
  let disarm = (): void => {}

  const look = async (): Promise<void> => {
    const askedMs = clock.now()
    try {
      await db.ping()
      if (awaySinceMs !== undefined) await tell(db, tenantId, { fromMs: awaySinceMs, untilMs: clock.now() })
      awaySinceMs = undefined
    } catch (error) {
      if (!isOutage(error)) onError(error)
      else if (!isBusyPool(error)) awaySinceMs ??= askedMs
    }
  }

  const arm = (): void => {
    if (isStopped) return
    const waitMs = awaySinceMs === undefined ? EVERY_MS : EVERY_WHILE_AWAY_MS
    disarm = clock.after(waitMs, () => void look().then(arm))
  }

  return {
    look,
    start() {
      isStopped = db.isExclusive
      arm()
    },
    stop() {
      isStopped = true
      disarm()
    },
  }
}
