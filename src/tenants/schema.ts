/** Tables of tenants. */
export type TenantTables = {
  tenants: { id: string; name: string; status: string; created_at: number }
  projects: { id: string; tenant_id: string; name: string; created_at: number }
  api_keys: {
    id: string
    tenant_id: string
    project_id: string | null
    name: string
    hash: string
    scopes: string
    expires_at: number | null
    revoked_at: number | null
    last_used_at: number | null
    created_at: number
  }
}
