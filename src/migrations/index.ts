/** All migrations, in order. */
import type { Migration } from '../platform/db/migrate.ts'
import { foundation } from './0001-foundation.ts'

export const migrations: readonly Migration[] = [foundation]
