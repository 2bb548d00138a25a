/** Projects as walls: templates and redrives belong to projects too, and the long lists find a project's own rows. */
import type { Migration } from '../platform/db/migrate.ts'

export const projects: Migration = {
  name: '0009-projects',
  statements: () => [
    'ALTER TABLE notification_templates ADD COLUMN project_id TEXT',
    'ALTER TABLE redrives ADD COLUMN project_id TEXT',
    // Only keys of a project read by these; rows of no project cost nothing here.
    'CREATE INDEX idx_runs_project ON runs (tenant_id, project_id, created_at, id) WHERE project_id IS NOT NULL',
    'CREATE INDEX idx_tasks_project ON tasks (tenant_id, project_id, created_at, id) WHERE project_id IS NOT NULL',
    'CREATE INDEX idx_deliveries_project ON deliveries (tenant_id, project_id, created_at, id) WHERE project_id IS NOT NULL',
    'CREATE INDEX idx_inbox_project ON inbox (tenant_id, project_id, created_at, id) WHERE project_id IS NOT NULL',
    'CREATE INDEX idx_audit_project ON audit_log (tenant_id, project_id, created_at, id) WHERE project_id IS NOT NULL',
  ],
}
