/** Tables of schedules. */
export type ScheduleTables = {
  schedules: {
    id: string
    tenant_id: string
    project_id: string | null
    name: string
    status: string
    timing: string
    target: string
    input: string
    options: string
    next_planned_at: number | null
    next_at: number | null
    fires: number
    failures: number
    revision: number
    created_at: number
    updated_at: number
  }
  schedule_fires: {
    schedule_id: string
    planned_at: number
    tenant_id: string
    cause: string
    status: string
    reason: string | null
    count: number | null
    until_at: number | null
    due_at: number
    request: string | null
    wake_at: number | null
    tries: number
    started_at: number | null
    finished_at: number | null
    run_id: string | null
    task_id: string | null
    error: string | null
  }
}
