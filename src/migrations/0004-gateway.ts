/** What the gateway keeps: answers to requests with an idempotency key, tenants' own limits, and what each has used of its quotas. */
import type { Migration } from '../platform/db/migrate.ts'

export const gateway: Migration = {
  name: '0004-gateway',
  statements: () => [
    `CREATE TABLE idempotency_keys (
      id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, scope TEXT NOT NULL, fingerprint TEXT NOT NULL, answer TEXT,
      claimed_until BIGINT NOT NULL, expires_at BIGINT NOT NULL, UNIQUE (tenant_id, scope))`,
    'CREATE INDEX idx_idempotency_keys_expires ON idempotency_keys (expires_at)',
    'CREATE TABLE tenant_limits (tenant_id TEXT PRIMARY KEY, limits TEXT NOT NULL, updated_at BIGINT NOT NULL)',
    // One row per process, so that no two wait for each other; a reader adds them up. `day` counts from the epoch, in UTC; `cost` is in
    // millionths of the currency.
    `CREATE TABLE usage (
      tenant_id TEXT NOT NULL, day BIGINT NOT NULL, worker_id TEXT NOT NULL, runs BIGINT NOT NULL, tasks BIGINT NOT NULL,
      tokens BIGINT NOT NULL, cost BIGINT NOT NULL, storage BIGINT NOT NULL, PRIMARY KEY (tenant_id, day, worker_id))`,
    'CREATE INDEX idx_usage_day ON usage (day)',
  ],
}
