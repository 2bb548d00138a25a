/** How PostgreSQL keeps the tables clean that every run and task writes. */
import type { Migration } from '../platform/db/migrate.ts'

const BUSY_TABLES = ['runs', 'journal', 'tasks', 'events', 'audit_log', 'deliveries', 'schedule_fires', 'usage']

export const vacuum: Migration = {
  name: '0015-vacuum',
  // While autovacuum looks at a table, no index entry of a finished task anywhere can be cleared away, and every look at a backlog passes
  // over them. At its own pace it took 14 seconds for a flood of tasks, at ten times that pace one to four.
  statements: ({ dialect }) =>
    dialect === 'sqlite'
      ? []
      : BUSY_TABLES.map((table) => `ALTER TABLE ${table} SET (autovacuum_vacuum_cost_limit = 2000)`),
}
