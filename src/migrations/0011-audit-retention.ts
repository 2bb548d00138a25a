/**
 * The audit log and the inbox have an end. The log stays append-only but for what its retention announces: a row of `audit_removal`, which
 * is there within the removing transaction alone, and so for nobody else.
 */
import type { Migration } from '../platform/db/migrate.ts'

const REFUSED = 'the audit log is append-only'
const announced = (entry: string): string =>
  `EXISTS (SELECT 1 FROM audit_removal WHERE until_at >= ${entry}.created_at)`

const guard = {
  sqlite: [
    'DROP TRIGGER audit_log_no_delete',
    `CREATE TRIGGER audit_log_no_delete BEFORE DELETE ON audit_log WHEN NOT ${announced('OLD')}
      BEGIN SELECT RAISE(ABORT, '${REFUSED}'); END`,
  ],
  postgres: [
    'DROP TRIGGER audit_log_append_only ON audit_log',
    `CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR TRUNCATE ON audit_log
      FOR EACH STATEMENT EXECUTE FUNCTION audit_log_refuse()`,
    `CREATE FUNCTION audit_log_keep() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN IF ${announced('OLD')} THEN RETURN OLD; END IF; RAISE EXCEPTION '${REFUSED}'; END $$`,
    `CREATE TRIGGER audit_log_no_delete BEFORE DELETE ON audit_log
      FOR EACH ROW EXECUTE FUNCTION audit_log_keep()`,
  ],
}

export const auditRetention: Migration = {
  name: '0011-audit-retention',
  statements: ({ dialect }) => [
    'CREATE TABLE audit_removal (until_at BIGINT NOT NULL)',
    ...guard[dialect],
    'CREATE INDEX idx_audit_made ON audit_log (created_at, id)',
    // An item leaves by its age, read or not.
    'DROP INDEX idx_inbox_read',
    'CREATE INDEX idx_inbox_made ON inbox (created_at, id)',
  ],
}
