/** What has ended, oldest first: so that retention finds what is due without looking at anything else. */
import type { Migration } from '../platform/db/migrate.ts'

export const retention: Migration = {
  name: '0008-retention',
  statements: () => [
    'CREATE INDEX idx_runs_ended ON runs (finished_at, id) WHERE parent_run_id IS NULL AND finished_at IS NOT NULL',
    'CREATE INDEX idx_tasks_ended ON tasks (finished_at, id) WHERE run_id IS NULL AND finished_at IS NOT NULL',
    'CREATE INDEX idx_deliveries_ended ON deliveries (finished_at, id) WHERE finished_at IS NOT NULL',
    'CREATE INDEX idx_inbox_read ON inbox (read_at, id) WHERE read_at IS NOT NULL',
    // Events of a run or a task leave with it.
    'CREATE INDEX idx_events_alone ON events (at, id) WHERE run_id IS NULL AND task_id IS NULL',
  ],
}
