/** Tables of workflows. */
export type WorkflowTables = {
  workflows: {
    id: string
    tenant_id: string
    project_id: string | null
    name: string
    kind: string
    status: string
    version: number
    created_at: number
    updated_at: number
  }
  workflow_versions: {
    workflow_id: string
    version: number
    tenant_id: string
    definition: string
    created_at: number
  }
}
