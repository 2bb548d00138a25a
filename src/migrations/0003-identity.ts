/**
 * Identity, secrets and audit: roles and rotation of keys, members and their sessions, the secret store, and the audit log, which
 * the database itself keeps from being changed.
 */
import type { Migration } from '../platform/db/migrate.ts'

const APPEND_ONLY = 'the audit log is append-only'

const auditGuard = {
  sqlite: ['UPDATE', 'DELETE'].map(
    (verb) => `CREATE TRIGGER audit_log_no_${verb.toLowerCase()} BEFORE ${verb} ON audit_log
      BEGIN SELECT RAISE(ABORT, '${APPEND_ONLY}'); END`,
  ),
  postgres: [
    `CREATE FUNCTION audit_log_refuse() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN RAISE EXCEPTION '${APPEND_ONLY}'; END $$`,
    `CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
      FOR EACH STATEMENT EXECUTE FUNCTION audit_log_refuse()`,
  ],
}

export const identity: Migration = {
  name: '0003-identity',
  statements: ({ dialect }) => [
    // A key has a role or scopes of its own. The secret before the last rotation counts until `previous_until`.
    'ALTER TABLE api_keys ADD COLUMN role TEXT',
    'ALTER TABLE api_keys ADD COLUMN previous_hash TEXT',
    'ALTER TABLE api_keys ADD COLUMN previous_until BIGINT',
    'ALTER TABLE api_keys ADD COLUMN rotated_at BIGINT',

    // `subject` is what the identity provider calls the member: ISSUER|SUB, known from the first sign-in on.
    `CREATE TABLE members (
      id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, email TEXT NOT NULL, name TEXT NOT NULL, role TEXT NOT NULL,
      status TEXT NOT NULL, subject TEXT, created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, last_seen_at BIGINT,
      UNIQUE (tenant_id, email))`,
    'CREATE INDEX idx_members_tenant_created ON members (tenant_id, created_at, id)',
    'CREATE INDEX idx_members_email ON members (email)',
    'CREATE UNIQUE INDEX idx_members_subject ON members (subject, tenant_id) WHERE subject IS NOT NULL',
    // The id is a hash of the cookie.
    `CREATE TABLE sessions (
      id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, member_id TEXT NOT NULL, created_at BIGINT NOT NULL,
      expires_at BIGINT NOT NULL, address TEXT, user_agent TEXT)`,
    'CREATE INDEX idx_sessions_member ON sessions (tenant_id, member_id)',
    'CREATE INDEX idx_sessions_expires ON sessions (expires_at)',

    // `project_id` is empty for a secret of the whole tenant, so that names are unique there too.
    `CREATE TABLE secrets (
      id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, project_id TEXT NOT NULL, name TEXT NOT NULL, sealed TEXT NOT NULL,
      key_id TEXT NOT NULL, hosts TEXT NOT NULL, version BIGINT NOT NULL, created_at BIGINT NOT NULL,
      updated_at BIGINT NOT NULL, UNIQUE (tenant_id, project_id, name))`,
    'CREATE INDEX idx_secrets_tenant_created ON secrets (tenant_id, created_at, id)',
    'CREATE INDEX idx_secrets_key ON secrets (key_id, id)',

    `CREATE TABLE audit_log (
      id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, project_id TEXT, actor_kind TEXT NOT NULL, actor_id TEXT NOT NULL,
      actor_name TEXT NOT NULL, action TEXT NOT NULL, target TEXT, outcome TEXT NOT NULL, code TEXT, request TEXT NOT NULL,
      request_id TEXT, address TEXT, user_agent TEXT, created_at BIGINT NOT NULL)`,
    'CREATE INDEX idx_audit_tenant_created ON audit_log (tenant_id, created_at, id)',
    'CREATE INDEX idx_audit_actor ON audit_log (tenant_id, actor_id, created_at, id)',
    'CREATE INDEX idx_audit_target ON audit_log (tenant_id, target, created_at, id)',
    ...auditGuard[dialect],
  ],
}
