/** What several processes share: duties under leases. */
import type { Migration } from '../platform/db/migrate.ts'

export const cluster: Migration = {
  name: '0005-cluster',
  statements: () => [
    'CREATE TABLE duties (name TEXT PRIMARY KEY, worker_id TEXT NOT NULL, lease_until BIGINT NOT NULL)',
    // The backlog of a partition, by whose turn it is.
    "CREATE INDEX idx_tasks_backlog ON tasks (partition_name, priority, tenant_id, id) WHERE status = 'queued'",
    "CREATE INDEX idx_runs_backlog ON runs (kind, priority, tenant_id, id) WHERE status = 'queued'",
  ],
}
