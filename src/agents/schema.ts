/** Tables of agents, and what of the engine's runs they count. */
export type AgentTables = {
  agents: {
    id: string
    tenant_id: string
    project_id: string | null
    name: string
    type: string
    status: string
    version: number
    created_at: number
    updated_at: number
  }
  agent_versions: { agent_id: string; version: number; tenant_id: string; config: string; created_at: number }
  runs: { tenant_id: string; kind: string; target: string; status: string }
}
