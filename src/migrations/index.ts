/** All migrations, in order. */
import type { Migration } from '../platform/db/migrate.ts'
import { foundation } from './0001-foundation.ts'
import { notifications } from './0002-notifications.ts'
import { identity } from './0003-identity.ts'
import { gateway } from './0004-gateway.ts'
import { cluster } from './0005-cluster.ts'
import { queues } from './0006-queues.ts'
import { scheduler } from './0007-scheduler.ts'
import { retention } from './0008-retention.ts'
import { projects } from './0009-projects.ts'
import { outages } from './0010-outages.ts'
import { auditRetention } from './0011-audit-retention.ts'
import { removedMembers } from './0012-removed-members.ts'
import { redriveRates } from './0013-redrive-rates.ts'
import { pagedLists } from './0014-paged-lists.ts'
import { vacuum } from './0015-vacuum.ts'

export const migrations: readonly Migration[] = [
  foundation,
  notifications,
  identity,
  gateway,
  cluster,
  queues,
  scheduler,
  retention,
  projects,
  outages,
  auditRetention,
  removedMembers,
  redriveRates,
  pagedLists,
  vacuum,
]
