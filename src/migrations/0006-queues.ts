/** Rules of the queues (pauses, limits, weights), keys that tasks share limits by, and redrives of many dead letters. */
import type { Migration } from '../platform/db/migrate.ts'

export const queues: Migration = {
  name: '0006-queues',
  statements: () => [
    // Of what is '' a rule is for all. A paused partition has no tenant.
    `CREATE TABLE queue_rules (
      tenant_id TEXT NOT NULL, partition_name TEXT NOT NULL, key_name TEXT NOT NULL, paused BIGINT NOT NULL,
      concurrency BIGINT, rate_count BIGINT, rate_period_ms BIGINT, weight BIGINT, updated_at BIGINT NOT NULL,
      PRIMARY KEY (tenant_id, partition_name, key_name))`,

    "ALTER TABLE tasks ADD COLUMN limit_key TEXT NOT NULL DEFAULT ''",
    // The backlog of a partition, by whose turn it is: tenants, and the limit keys of each. For statements that name a partition alone:
    // while PostgreSQL takes a backlog for empty, it would look through all of it for the ids of a claim.
    `CREATE INDEX idx_tasks_backlog ON tasks (partition_name, priority, tenant_id, limit_key, id)
      WHERE status = 'queued' AND partition_name IS NOT NULL`,

    // `position` is the last letter that was started again: letters are taken from the newest to the oldest.
    `CREATE TABLE redrives (
      id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, status TEXT NOT NULL, kind TEXT, reason TEXT, rate BIGINT,
      until_at BIGINT NOT NULL, position TEXT, done BIGINT NOT NULL, skipped BIGINT NOT NULL, next_at BIGINT NOT NULL,
      created_at BIGINT NOT NULL, finished_at BIGINT)`,
    'CREATE INDEX idx_redrives_tenant ON redrives (tenant_id, id)',
    "CREATE INDEX idx_redrives_open ON redrives (next_at) WHERE status = 'running'",
    "CREATE INDEX idx_dead_letters_open ON dead_letters (id) WHERE status = 'dead'",
  ],
}
