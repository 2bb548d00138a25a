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
    role: string | null
    previous_hash: string | null
    previous_until: number | null
    rotated_at: number | null
  }
  members: {
    id: string
    tenant_id: string
    email: string
    name: string
    role: string
    status: string
    subject: string | null
    created_at: number
    updated_at: number
    last_seen_at: number | null
  }
  sessions: {
    id: string
    tenant_id: string
    member_id: string
    created_at: number
    expires_at: number
    address: string | null
    user_agent: string | null
  }
}
