/** Pages of tenants, projects and keys, newest first. */
import type { Migration } from '../platform/db/migrate.ts'

export const pagedLists: Migration = {
  name: '0014-paged-lists',
  statements: () => [
    'CREATE INDEX idx_tenants_created ON tenants (created_at, id)',
    'CREATE INDEX idx_projects_tenant_created ON projects (tenant_id, created_at, id)',
    'CREATE INDEX idx_api_keys_tenant_created ON api_keys (tenant_id, created_at, id)',
    // Was for the list alone.
    'DROP INDEX idx_api_keys_tenant',
  ],
}
