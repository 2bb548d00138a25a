/** Table of the audit log. The database refuses to change its rows, and to delete them but for retention. */
export type AuditTables = {
  audit_log: {
    id: string
    tenant_id: string
    project_id: string | null
    actor_kind: string
    actor_id: string
    actor_name: string
    action: string
    target: string | null
    outcome: string
    code: string | null
    request: string
    request_id: string | null
    address: string | null
    user_agent: string | null
    created_at: number
  }
}
