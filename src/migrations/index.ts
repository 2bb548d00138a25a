/** All migrations, in order. */
import type { Migration } from '../platform/db/migrate.ts'
import { foundation } from './0001-foundation.ts'
import { notifications } from './0002-notifications.ts'
import { identity } from './0003-identity.ts'

export const migrations: readonly Migration[] = [foundation, notifications, identity]
