/** What several processes share: duties under leases. */
import type { Migration } from '../platform/db/migrate.ts'

export const cluster: Migration = {
  name: '0005-cluster',
  statements: () => [
    'CREATE TABLE duties (name TEXT PRIMARY KEY, worker_id TEXT NOT NULL, lease_until BIGINT NOT NULL)',
    // The backlog of runs, by whose turn it is; that of tasks follows with their limit keys.
    "CREATE INDEX idx_runs_backlog ON runs (kind, priority, tenant_id, id) WHERE status = 'queued'",
  ],
}
