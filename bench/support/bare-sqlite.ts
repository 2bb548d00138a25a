/** The floor: `node:sqlite` and nothing else, over the same tables and as durable as AIDOS is (WAL, synchronous=FULL). */
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { migrations } from '../../src/migrations/index.ts'
import { migrate } from '../../src/platform/db/migrate.ts'
import { openSqliteDatabase } from '../../src/platform/db/sqlite.ts'
import { makeEventHub } from '../../src/platform/events/hub.ts'
import { makeIdGenerator } from '../../src/platform/ids.ts'

/** `row`: an id and a text, without an index. `task`: the row that a new task is, with all indexes of its table. */
export type Shape = 'row' | 'task'

export interface BareSqlite {
  /** One row of that shape, with its own commit unless `group` is under way. */
  insert(shape: Shape): string
  /** All that `write` inserts shares one commit. */
  group(write: () => void): void
  close(): void
}

const OPTIONS = JSON.stringify({ retry: { attempts: 3, delayMs: 1000, backoff: 'exponential' } })

export const openBareSqlite = async (folder: string): Promise<BareSqlite> => {
  const file = join(folder, 'bare.db')
  // Ids that rise, as those of AIDOS do: random ones would make the floor slower than what it is held to.
  const makeId = makeIdGenerator()
  const tables = openSqliteDatabase({ file, hub: makeEventHub() })
  await migrate(tables, migrations)
  await tables.stop()
  const db = new DatabaseSync(file)
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
  db.exec('CREATE TABLE bare (id INTEGER PRIMARY KEY, text TEXT NOT NULL)')
  const row = db.prepare('INSERT INTO bare (text) VALUES (?)')
  const task = db.prepare(
    `INSERT INTO tasks (id, tenant_id, kind, partition_name, status, priority, input, attempt, lost, options, fence, run_at, created_at)
     VALUES (?, 'tenant', 'noop', 'tasks', 'queued', 3, 'null', 0, 0, ?, 0, ?, ?)`,
  )
  return {
    insert(shape) {
      const id = makeId()
      if (shape === 'row') row.run(id)
      else task.run(id, OPTIONS, Date.now(), Date.now())
      return id
    },
    group(write) {
      db.exec('BEGIN IMMEDIATE')
      write()
      db.exec('COMMIT')
    },
    close: () => db.close(),
  }
}
