/**
 * Notifications whole: settings of channels, templates, preferences of members, digests, deduplication by key, deliveries that
 * wait for their time, and what was sent kept beside what was answered.
 */
import type { Migration } from '../platform/db/migrate.ts'

export const notifications: Migration = {
  name: '0002-notifications',
  statements: ({ clustered }) => [
    // Form of the message, template, rate: whatever is not the address itself.
    "ALTER TABLE channels ADD COLUMN settings TEXT NOT NULL DEFAULT '{}'",
    // For whom: that member's preferences decide about channel, quiet hours and digest.
    'ALTER TABLE subscriptions ADD COLUMN member_id TEXT',
    // A template that gives the key of an event, and for how long the same key is told of once.
    'ALTER TABLE subscriptions ADD COLUMN dedup_key TEXT',
    'ALTER TABLE subscriptions ADD COLUMN dedup_window_ms BIGINT',

    'ALTER TABLE deliveries ADD COLUMN member_id TEXT',
    // It gets no task before this.
    'ALTER TABLE deliveries ADD COLUMN due_at BIGINT NOT NULL DEFAULT 0',
    // Calls that failed; a task that follows another one goes on where that left off.
    'ALTER TABLE deliveries ADD COLUMN tries BIGINT NOT NULL DEFAULT 0',
    // Counts its tasks, so that one that was put off is not taken for the one that follows.
    'ALTER TABLE deliveries ADD COLUMN round BIGINT NOT NULL DEFAULT 0',
    // The time that the rate limit of its channel has given it.
    'ALTER TABLE deliveries ADD COLUMN slot_at BIGINT',
    // Waits to be told together with others: what they have in common, and the delivery that told of them.
    'ALTER TABLE deliveries ADD COLUMN digest TEXT',
    'ALTER TABLE deliveries ADD COLUMN digest_id TEXT',
    'DROP INDEX idx_deliveries_undispatched',
    `CREATE INDEX idx_deliveries_due ON deliveries (due_at, id)
      WHERE task_id IS NULL AND status = 'pending' AND digest IS NULL`,
    `CREATE INDEX idx_deliveries_digest ON deliveries (due_at, digest, id)
      WHERE status = 'pending' AND digest IS NOT NULL`,
    'CREATE INDEX idx_deliveries_digest_id ON deliveries (digest_id) WHERE digest_id IS NOT NULL',
    'ALTER TABLE delivery_attempts ADD COLUMN request TEXT',
    'ALTER TABLE inbox ADD COLUMN member_id TEXT',
    // Few among the events of a tenant: whoever watches the inbox finds them without reading the others.
    `CREATE INDEX idx_events_inbox ON events (tenant_id, id)
      WHERE type IN ('inbox.added', 'inbox.read', 'inbox.unread', 'inbox.all_read')`,

    `CREATE TABLE notification_templates (
      id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, name TEXT NOT NULL, subject TEXT NOT NULL, body TEXT NOT NULL,
      created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, UNIQUE (tenant_id, name))`,
    'CREATE INDEX idx_notification_templates_tenant ON notification_templates (tenant_id, created_at, id)',
    `CREATE TABLE notification_preferences (
      tenant_id TEXT NOT NULL, member_id TEXT NOT NULL, preferences TEXT NOT NULL, updated_at BIGINT NOT NULL,
      PRIMARY KEY (tenant_id, member_id)) ${clustered}`,
    // When the next call of a channel with a rate limit may be made.
    `CREATE TABLE channel_slots (channel_id TEXT PRIMARY KEY, next_at BIGINT NOT NULL) ${clustered}`,
    // Keys that were told of, until their window has passed.
    `CREATE TABLE notification_keys (
      subscription_id TEXT NOT NULL, key TEXT NOT NULL, until_at BIGINT NOT NULL, PRIMARY KEY (subscription_id, key)) ${clustered}`,
    'CREATE INDEX idx_notification_keys_until ON notification_keys (until_at)',
  ],
}
