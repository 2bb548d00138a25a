/** Tables of the queues' rules. */
export type QueueTables = {
  queue_rules: {
    tenant_id: string
    partition_name: string
    key_name: string
    /** 1: by the tenant itself; 2: by the operator; 3: by both. */
    paused: number
    concurrency: number | null
    rate_count: number | null
    rate_period_ms: number | null
    weight: number | null
    updated_at: number
  }
  tenants: { id: string }
}
