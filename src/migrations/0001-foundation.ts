/**
 * The first tables. Times are milliseconds since the epoch; JSON is text, kept as it was given (no reordering of keys);
 * ids are UUIDv7 texts. `BIGINT` is an integer on SQLite too.
 */
import type { Migration } from '../platform/db/migrate.ts'

export const foundation: Migration = {
  name: '0001-foundation',
  statements: ({ serial, clustered }) => [
    `CREATE TABLE tenants (
      id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, status TEXT NOT NULL, created_at BIGINT NOT NULL)`,
    `CREATE TABLE projects (
      id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, name TEXT NOT NULL, created_at BIGINT NOT NULL,
      UNIQUE (tenant_id, name))`,
    `CREATE TABLE api_keys (
      id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, project_id TEXT, name TEXT NOT NULL, hash TEXT NOT NULL,
      scopes TEXT NOT NULL, expires_at BIGINT, revoked_at BIGINT, last_used_at BIGINT, created_at BIGINT NOT NULL)`,
    'CREATE INDEX idx_api_keys_tenant ON api_keys (tenant_id, id)',

    `CREATE TABLE agents (
      id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, project_id TEXT, name TEXT NOT NULL, type TEXT NOT NULL,
      status TEXT NOT NULL, version BIGINT NOT NULL, created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL,
      UNIQUE (tenant_id, name))`,
    'CREATE INDEX idx_agents_type_status ON agents (type, status)',
    `CREATE TABLE agent_versions (
      agent_id TEXT NOT NULL, version BIGINT NOT NULL, tenant_id TEXT NOT NULL, config TEXT NOT NULL,
      created_at BIGINT NOT NULL, PRIMARY KEY (agent_id, version))`,

    `CREATE TABLE skills (
      id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, project_id TEXT, name TEXT NOT NULL, kind TEXT NOT NULL,
      status TEXT NOT NULL, version BIGINT NOT NULL, created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL,
      UNIQUE (tenant_id, name))`,
    `CREATE TABLE skill_versions (
      skill_id TEXT NOT NULL, version BIGINT NOT NULL, tenant_id TEXT NOT NULL, definition TEXT NOT NULL,
      created_at BIGINT NOT NULL, PRIMARY KEY (skill_id, version))`,

    `CREATE TABLE workflows (
      id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, project_id TEXT, name TEXT NOT NULL, kind TEXT NOT NULL,
      status TEXT NOT NULL, version BIGINT NOT NULL, created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL,
      UNIQUE (tenant_id, name))`,
    'CREATE INDEX idx_workflows_tenant_status ON workflows (tenant_id, status)',
    `CREATE TABLE workflow_versions (
      workflow_id TEXT NOT NULL, version BIGINT NOT NULL, tenant_id TEXT NOT NULL, definition TEXT NOT NULL,
      created_at BIGINT NOT NULL, PRIMARY KEY (workflow_id, version))`,

    // A process that holds runs and attempts. Its lease is renewed in one write, however much it holds.
    `CREATE TABLE workers (
      id TEXT PRIMARY KEY, roles TEXT NOT NULL, started_at BIGINT NOT NULL, lease_until BIGINT NOT NULL)`,

    `CREATE TABLE runs (
      id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, project_id TEXT, kind TEXT NOT NULL, target TEXT NOT NULL,
      version BIGINT NOT NULL, status TEXT NOT NULL, priority BIGINT NOT NULL, input TEXT NOT NULL, output TEXT,
      error TEXT, waiting_for TEXT, parent_run_id TEXT, parent_key TEXT, idempotency_key TEXT,
      worker_id TEXT, fence BIGINT NOT NULL, news BIGINT NOT NULL, wake_at BIGINT, deadline_at BIGINT,
      cancel_requested_at BIGINT, created_at BIGINT NOT NULL, started_at BIGINT, finished_at BIGINT)`,
    'CREATE INDEX idx_runs_tenant_created ON runs (tenant_id, created_at, id)',
    'CREATE INDEX idx_runs_status_priority ON runs (status, priority, id)',
    'CREATE INDEX idx_runs_wake ON runs (wake_at) WHERE wake_at IS NOT NULL',
    'CREATE INDEX idx_runs_worker ON runs (worker_id) WHERE worker_id IS NOT NULL',
    'CREATE INDEX idx_runs_parent ON runs (parent_run_id) WHERE parent_run_id IS NOT NULL',
    'CREATE UNIQUE INDEX idx_runs_idempotency ON runs (tenant_id, idempotency_key) WHERE idempotency_key IS NOT NULL',

    // What a run has finished, in the order in which its function was told. Written by the run's owner alone.
    `CREATE TABLE journal (
      run_id TEXT NOT NULL, position BIGINT NOT NULL, tenant_id TEXT NOT NULL, key TEXT NOT NULL, kind TEXT NOT NULL,
      outcome TEXT NOT NULL, value TEXT, ref TEXT, at BIGINT NOT NULL, PRIMARY KEY (run_id, position)) ${clustered}`,
    `CREATE TABLE signals (
      id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, run_id TEXT NOT NULL, name TEXT NOT NULL, payload TEXT NOT NULL,
      created_at BIGINT NOT NULL)`,
    'CREATE INDEX idx_signals_run ON signals (run_id, id)',

    `CREATE TABLE tasks (
      id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, project_id TEXT, run_id TEXT, step_key TEXT, kind TEXT NOT NULL,
      partition_name TEXT NOT NULL, status TEXT NOT NULL, priority BIGINT NOT NULL, input TEXT NOT NULL, output TEXT,
      error TEXT, attempt BIGINT NOT NULL, lost BIGINT NOT NULL, options TEXT NOT NULL, worker_id TEXT, fence BIGINT NOT NULL,
      run_at BIGINT NOT NULL, deadline_at BIGINT, progress TEXT, idempotency_key TEXT,
      created_at BIGINT NOT NULL, started_at BIGINT, finished_at BIGINT)`,
    'CREATE INDEX idx_tasks_status_priority ON tasks (status, priority, id)',
    'CREATE INDEX idx_tasks_tenant_created ON tasks (tenant_id, created_at, id)',
    "CREATE INDEX idx_tasks_scheduled ON tasks (run_at) WHERE status = 'scheduled' AND run_at IS NOT NULL",
    "CREATE INDEX idx_tasks_wait_deadline ON tasks (deadline_at) WHERE status = 'waiting' AND deadline_at IS NOT NULL",
    "CREATE INDEX idx_tasks_activities ON tasks (tenant_id, kind, priority, id) WHERE status = 'waiting' AND started_at IS NULL",
    'CREATE INDEX idx_tasks_run ON tasks (run_id) WHERE run_id IS NOT NULL',
    'CREATE INDEX idx_tasks_worker ON tasks (worker_id) WHERE worker_id IS NOT NULL',
    'CREATE UNIQUE INDEX idx_tasks_idempotency ON tasks (tenant_id, idempotency_key) WHERE idempotency_key IS NOT NULL',
    `CREATE TABLE dead_letters (
      id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, project_id TEXT, task_id TEXT NOT NULL, kind TEXT NOT NULL,
      status TEXT NOT NULL, reason TEXT NOT NULL, error TEXT NOT NULL, attempts BIGINT NOT NULL,
      created_at BIGINT NOT NULL, resolved_at BIGINT)`,
    'CREATE INDEX idx_dead_letters_tenant ON dead_letters (tenant_id, status, id)',
    'CREATE INDEX idx_dead_letters_task ON dead_letters (task_id)',

    `CREATE TABLE events (
      id ${serial}, tenant_id TEXT NOT NULL, project_id TEXT, run_id TEXT, task_id TEXT, type TEXT NOT NULL,
      data TEXT NOT NULL, at BIGINT NOT NULL)`,
    'CREATE INDEX idx_events_run ON events (run_id, id) WHERE run_id IS NOT NULL',
    'CREATE INDEX idx_events_task ON events (task_id, id) WHERE run_id IS NULL AND task_id IS NOT NULL',
    'CREATE INDEX idx_events_tenant ON events (tenant_id, id)',

    `CREATE TABLE schedules (
      id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, project_id TEXT, name TEXT NOT NULL, status TEXT NOT NULL,
      timing TEXT NOT NULL, target TEXT NOT NULL, input TEXT NOT NULL, options TEXT NOT NULL, next_planned_at BIGINT,
      next_at BIGINT, fires BIGINT NOT NULL, failures BIGINT NOT NULL, revision BIGINT NOT NULL,
      created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, UNIQUE (tenant_id, name))`,
    'CREATE INDEX idx_schedules_next ON schedules (next_at) WHERE next_at IS NOT NULL',
    'CREATE INDEX idx_schedules_tenant_created ON schedules (tenant_id, created_at, id)',
    `CREATE TABLE schedule_fires (
      schedule_id TEXT NOT NULL, planned_at BIGINT NOT NULL, tenant_id TEXT NOT NULL, cause TEXT NOT NULL,
      status TEXT NOT NULL, reason TEXT, count BIGINT, until_at BIGINT, due_at BIGINT NOT NULL, request TEXT,
      wake_at BIGINT, tries BIGINT NOT NULL, started_at BIGINT, finished_at BIGINT, run_id TEXT, task_id TEXT,
      error TEXT, PRIMARY KEY (schedule_id, planned_at))`,
    'CREATE INDEX idx_schedule_fires_wake ON schedule_fires (wake_at) WHERE wake_at IS NOT NULL',
    'CREATE INDEX idx_schedule_fires_open ON schedule_fires (schedule_id, planned_at) WHERE wake_at IS NOT NULL',

    `CREATE TABLE channels (
      id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, project_id TEXT, name TEXT NOT NULL, kind TEXT NOT NULL,
      status TEXT NOT NULL, reason TEXT, config TEXT NOT NULL, created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL,
      UNIQUE (tenant_id, name))`,
    `CREATE TABLE subscriptions (
      id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, project_id TEXT, channel_id TEXT NOT NULL, types TEXT NOT NULL,
      severity TEXT NOT NULL, created_at BIGINT NOT NULL)`,
    'CREATE INDEX idx_subscriptions_tenant ON subscriptions (tenant_id, created_at, id)',
    'CREATE INDEX idx_subscriptions_channel ON subscriptions (channel_id)',
    // `dedup_key` is EVENT:SUBSCRIPTION, so that an event is told of once per subscription; a test or a replay has none.
    `CREATE TABLE deliveries (
      id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, project_id TEXT, channel_id TEXT NOT NULL, subscription_id TEXT,
      cause TEXT NOT NULL, type TEXT NOT NULL, message_id TEXT NOT NULL, message TEXT NOT NULL, dedup_key TEXT,
      status TEXT NOT NULL, error TEXT, task_id TEXT, created_at BIGINT NOT NULL, finished_at BIGINT,
      UNIQUE (tenant_id, dedup_key))`,
    'CREATE INDEX idx_deliveries_tenant_created ON deliveries (tenant_id, created_at, id)',
    'CREATE INDEX idx_deliveries_channel_created ON deliveries (channel_id, created_at, id)',
    'CREATE INDEX idx_deliveries_task ON deliveries (task_id) WHERE task_id IS NOT NULL',
    "CREATE INDEX idx_deliveries_pending ON deliveries (id) WHERE status = 'pending'",
    "CREATE INDEX idx_deliveries_undispatched ON deliveries (id) WHERE task_id IS NULL AND status = 'pending'",
    `CREATE TABLE delivery_attempts (
      id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, delivery_id TEXT NOT NULL, attempt BIGINT NOT NULL, at BIGINT NOT NULL,
      duration_ms BIGINT NOT NULL, status_code BIGINT, response TEXT, error TEXT)`,
    'CREATE INDEX idx_delivery_attempts_delivery ON delivery_attempts (delivery_id, id)',
    `CREATE TABLE inbox (
      id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, project_id TEXT, channel_id TEXT NOT NULL, type TEXT NOT NULL,
      severity TEXT NOT NULL, title TEXT NOT NULL, message TEXT NOT NULL, read_at BIGINT, created_at BIGINT NOT NULL)`,
    'CREATE INDEX idx_inbox_tenant_created ON inbox (tenant_id, created_at, id)',
    'CREATE INDEX idx_inbox_unread ON inbox (tenant_id, created_at, id) WHERE read_at IS NULL',
    // How far a reader of the event log has come; also the edition of rows that are held in memory.
    'CREATE TABLE cursors (name TEXT PRIMARY KEY, position BIGINT NOT NULL)',
  ],
}
