/** Tables of notifications. */
export type NotificationTables = {
  channels: {
    id: string
    tenant_id: string
    project_id: string | null
    name: string
    kind: string
    status: string
    reason: string | null
    config: string
    settings: string
    created_at: number
    updated_at: number
  }
  subscriptions: {
    id: string
    tenant_id: string
    project_id: string | null
    channel_id: string
    types: string
    severity: string
    member_id: string | null
    dedup_key: string | null
    dedup_window_ms: number | null
    created_at: number
  }
  deliveries: {
    id: string
    tenant_id: string
    project_id: string | null
    channel_id: string
    subscription_id: string | null
    cause: string
    type: string
    message_id: string
    message: string
    dedup_key: string | null
    status: string
    error: string | null
    task_id: string | null
    member_id: string | null
    due_at: number
    tries: number
    round: number
    slot_at: number | null
    digest: string | null
    digest_id: string | null
    created_at: number
    finished_at: number | null
  }
  delivery_attempts: {
    id: string
    tenant_id: string
    delivery_id: string
    attempt: number
    at: number
    duration_ms: number
    request: string | null
    status_code: number | null
    response: string | null
    error: string | null
  }
  inbox: {
    id: string
    tenant_id: string
    project_id: string | null
    channel_id: string
    type: string
    severity: string
    title: string
    message: string
    member_id: string | null
    read_at: number | null
    created_at: number
  }
  notification_templates: {
    id: string
    tenant_id: string
    project_id: string | null
    name: string
    subject: string
    body: string
    created_at: number
    updated_at: number
  }
  notification_preferences: { tenant_id: string; member_id: string; preferences: string; updated_at: number }
  channel_slots: { channel_id: string; next_at: number }
  notification_keys: { subscription_id: string; key: string; until_at: number }
  cursors: { name: string; position: number }
}
