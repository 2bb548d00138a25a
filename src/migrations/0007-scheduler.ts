/** The history of fires is removed by age. */
import type { Migration } from '../platform/db/migrate.ts'

export const scheduler: Migration = {
  name: '0007-scheduler',
  statements: () => [
    'CREATE INDEX idx_schedule_fires_finished ON schedule_fires (finished_at) WHERE finished_at IS NOT NULL',
  ],
}
