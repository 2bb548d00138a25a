/** Writes and reads of the audit log; nothing here changes or deletes. */
import type { Handle } from '../platform/db/database.ts'
import { olderThan } from '../platform/db/keyset.ts'
import { insertRows, type Write } from '../platform/db/statements.ts'
import type { CreatedCursor } from '../platform/http/page.ts'
import { type Owner, ownedBy } from '../platform/scope.ts'
import type { AuditTables } from './schema.ts'
import type { AuditEntry, AuditOutcome } from './types.ts'

export interface AuditFilter {
  readonly actorId?: string | undefined
  readonly action?: string | undefined
  readonly target?: string | undefined
  readonly outcome?: AuditOutcome | undefined
  readonly fromMs?: number | undefined
  /** Not included. */
  readonly toMs?: number | undefined
  readonly after?: CreatedCursor | undefined
  readonly limit: number
}

const COLUMNS = {
  id: 'text',
  tenant_id: 'text',
  project_id: 'text',
  actor_kind: 'text',
  actor_id: 'text',
  actor_name: 'text',
  action: 'text',
  target: 'text',
  outcome: 'text',
  code: 'text',
  request: 'text',
  request_id: 'text',
  address: 'text',
  user_agent: 'text',
  created_at: 'bigint',
} as const

const insert = insertRows('audit_log', COLUMNS)

const toRow = (entry: AuditEntry): AuditTables['audit_log'] => ({
  id: entry.id,
  tenant_id: entry.tenantId,
  project_id: entry.projectId,
  actor_kind: entry.actorKind,
  actor_id: entry.actorId,
  actor_name: entry.actorName,
  action: entry.action,
  target: entry.target,
  outcome: entry.outcome,
  code: entry.code,
  request: entry.request,
  request_id: entry.requestId,
  address: entry.address,
  user_agent: entry.userAgent,
  created_at: entry.createdAtMs,
})

const toEntry = (row: AuditTables['audit_log']): AuditEntry => ({
  id: row.id,
  tenantId: row.tenant_id,
  projectId: row.project_id,
  actorKind: row.actor_kind as AuditEntry['actorKind'],
  actorId: row.actor_id,
  actorName: row.actor_name,
  action: row.action,
  target: row.target,
  outcome: row.outcome as AuditOutcome,
  code: row.code,
  request: row.request,
  requestId: row.request_id,
  address: row.address,
  userAgent: row.user_agent,
  createdAtMs: row.created_at,
})

/** For the group commit: the entry becomes part of the unit that makes the change. */
export const auditWrite = (entry: AuditEntry): Write => {
  const row = toRow(entry)
  return { statement: insert, row: (Object.keys(COLUMNS) as (keyof typeof COLUMNS)[]).map((column) => row[column]) }
}

export const makeAuditRepository = (handle: Handle) => {
  const db = handle.withTables<AuditTables>()
  return {
    async add(entry: AuditEntry): Promise<void> {
      await db.insertInto('audit_log').values(toRow(entry)).execute()
    },
    /** Newest first. */
    async entries(owner: Owner, filter: AuditFilter): Promise<AuditEntry[]> {
      const { actorId, action, target, outcome, fromMs, toMs, after, limit } = filter
      let query = db.selectFrom('audit_log').selectAll().where(ownedBy(owner))
      if (actorId !== undefined) query = query.where('actor_id', '=', actorId)
      if (action !== undefined) query = query.where('action', '=', action)
      if (target !== undefined) query = query.where('target', '=', target)
      if (outcome !== undefined) query = query.where('outcome', '=', outcome)
      if (fromMs !== undefined) query = query.where('created_at', '>=', fromMs)
      if (toMs !== undefined) query = query.where('created_at', '<', toMs)
      if (after) query = query.where(olderThan(after))
      return (await query.orderBy('created_at', 'desc').orderBy('id', 'desc').limit(limit).execute()).map(toEntry)
    },
  }
}
