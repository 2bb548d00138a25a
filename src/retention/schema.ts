/** Of the tables of all domains, the columns that retention looks at. */
export type RetentionTables = {
  runs: { id: string; parent_run_id: string | null; finished_at: number | null }
  journal: { run_id: string }
  signals: { run_id: string }
  tasks: { id: string; run_id: string | null; finished_at: number | null }
  dead_letters: { task_id: string; status: string; resolved_at: number | null }
  events: { id: number; run_id: string | null; task_id: string | null; at: number }
  deliveries: { id: string; task_id: string | null; finished_at: number | null }
  delivery_attempts: { delivery_id: string }
  inbox: { id: string; created_at: number }
  audit_log: { id: string; created_at: number }
  audit_removal: { until_at: number }
  usage: { tenant_id: string; day: number; worker_id: string }
  idempotency_keys: { id: string; expires_at: number }
  sessions: { id: string; expires_at: number }
  cursors: { name: string; position: number }
}
