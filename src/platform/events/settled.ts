/**
 * How far the event log is settled: no event with a lower id can appear any more. Ids are given when an event is written, but
 * events are seen when their transaction commits, and on PostgreSQL several are under way at the same time.
 */

import { setTimeout as wait } from 'node:timers/promises'
import { sql } from 'kysely'
import type { Database } from '../db/database.ts'

/** A transaction that is longer than this puts the reader off until its next look. */
const PATIENCE_MS = 1000
const FIRST_LOOK_MS = 10

/**
 * The transactions that may have written events. An `INSERT` takes this lock before it takes an id, and keeps it until the end
 * of its transaction.
 */
const writers = async (db: Database): Promise<Set<string>> => {
  const { rows } = await sql<{ owner: string }>`
    SELECT virtualtransaction AS owner FROM pg_locks
    WHERE relation = 'events'::regclass AND mode = 'RowExclusiveLock'
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`.execute(db.primary)
  return new Set(rows.map(({ owner }) => owner))
}

/**
 * Waits until every transaction that may have taken an id before this call has ended: a read after that sees all events
 * whose ids are not above one that was seen before. False when one of them takes too long.
 */
export const settle = async (db: Database): Promise<boolean> => {
  // SQLite has one writer: the order of ids is the order of commits.
  if (db.dialect === 'sqlite') return true
  const untilMs = performance.now() + PATIENCE_MS
  let open = await writers(db)
  // Most are over in a moment; many readers that look often would make a server slower that has one that is not.
  for (let waitMs = FIRST_LOOK_MS; open.size > 0; waitMs *= 2) {
    const leftMs = untilMs - performance.now()
    if (leftMs < 0) return false
    await wait(Math.min(waitMs, leftMs))
    open = open.intersection(await writers(db))
  }
  return true
}
