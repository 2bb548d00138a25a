/** Every database that AIDOS runs on, each fresh and migrated, for suites that run on all of them. */
import { migrations } from '../../src/migrations/index.ts'
import type { Database } from '../../src/platform/db/database.ts'
import { migrate } from '../../src/platform/db/migrate.ts'
import { openPostgresDatabase } from '../../src/platform/db/postgres.ts'
import { openSqliteDatabase } from '../../src/platform/db/sqlite.ts'
import { makeEventHub, type RelayedHub } from '../../src/platform/events/hub.ts'
import { wholeFile } from './cleanup.ts'
import { makeTestDatabaseUrl } from './postgres.ts'
import { placeOf } from './postgres-place.ts'
import { makeTempFolder } from './temp-folder.ts'

export interface TestDatabase {
  readonly db: Database
  readonly hub: RelayedHub
}

export interface DatabaseKind {
  readonly name: 'SQLite' | 'PostgreSQL'
  /** A new, migrated database; closed after the test file. */
  open(): Promise<TestDatabase>
}

const migrated = async (db: Database, hub: RelayedHub): Promise<TestDatabase> => {
  wholeFile.after(() => db.stop())
  await migrate(db, migrations)
  return { db, hub }
}

export const DATABASES: readonly DatabaseKind[] = [
  {
    name: 'SQLite',
    async open() {
      const hub = makeEventHub()
      const folder = await makeTempFolder()
      return migrated(openSqliteDatabase({ file: `${folder}/aidos.db`, hub }), hub)
    },
  },
  {
    name: 'PostgreSQL',
    async open() {
      const hub = makeEventHub()
      const place = placeOf(await makeTestDatabaseUrl())
      const db = openPostgresDatabase({ ...place, poolMin: 0, poolMax: 5, hub, onError: () => {} })
      return migrated(db, hub)
    },
  },
]
