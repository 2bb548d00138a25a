/** What several processes share: duties under leases. */
import type { Migration } from '../platform/db/migrate.ts'

export const cluster: Migration = {
  name: '0005-cluster',
  statements: () => [
    'CREATE TABLE duties (name TEXT PRIMARY KEY, worker_id TEXT NOT NULL, lease_until BIGINT NOT NULL)',
  ],
}
