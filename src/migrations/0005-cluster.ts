/** What several processes share: duties under leases. */
import type { Migration } from '../platform/db/migrate.ts'

export const cluster: Migration = {
  name: '0005-cluster',
  statements: () => [
    'CREATE TABLE duties (name TEXT PRIMARY KEY, worker_id TEXT NOT NULL, lease_until BIGINT NOT NULL)',
    // The backlog of runs, by whose turn it is; that of tasks follows with their limit keys, and says why a column that is never null
    // is named as not being so.
    `CREATE INDEX idx_runs_backlog ON runs (kind, priority, tenant_id, id)
      WHERE status = 'queued' AND kind IS NOT NULL`,
  ],
}
