/** Tables of secrets. */
export type SecretTables = {
  secrets: {
    id: string
    tenant_id: string
    /** Empty: for the whole tenant. */
    project_id: string
    name: string
    sealed: string
    key_id: string
    hosts: string
    version: number
    created_at: number
    updated_at: number
  }
  projects: { id: string; tenant_id: string }
}
