/** A redrive may go slower than one a second: its rate is no whole number. SQLite keeps such a value in any column. */
import type { Migration } from '../platform/db/migrate.ts'

export const redriveRates: Migration = {
  name: '0013-redrive-rates',
  statements: ({ dialect }) =>
    dialect === 'postgres' ? ['ALTER TABLE redrives ALTER COLUMN rate TYPE DOUBLE PRECISION'] : [],
}
