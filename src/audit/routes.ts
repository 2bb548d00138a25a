/** HTTP routes of the audit log: it is read, and nothing else. */
import { z } from 'zod'
import { pageQuery, readPage } from '../platform/http/page.ts'
import type { Routes } from '../platform/http/server.ts'
import { timeSchema, toTime } from '../platform/http/views.ts'
import type { Audit } from './audit.ts'
import { AUDIT_OUTCOMES, type AuditEntry } from './types.ts'

const entryView = ({ tenantId: _, createdAtMs, actorKind, actorId, actorName, ...entry }: AuditEntry) => ({
  ...entry,
  actor: { kind: actorKind, id: actorId, name: actorName },
  at: toTime(createdAtMs),
})

const query = z.strictObject({
  actor: z.string().max(200).optional().describe('Id of the key, the member or the service.'),
  action: z.string().max(100).optional().describe('`agent.paused`, `key.created`, …'),
  target: z.string().max(300).optional().describe('Name or id of the thing.'),
  outcome: z.enum(AUDIT_OUTCOMES).optional(),
  from: timeSchema.optional(),
  to: timeSchema.optional().describe('Not included.'),
  ...pageQuery,
})

const toMs = (time: string | undefined): number | undefined => (time === undefined ? undefined : Date.parse(time))

export const makeAuditRoutes =
  (audit: Audit): Routes =>
  (server) => {
    server.get(
      '/v1/audit',
      {
        config: { permission: 'audit:read' },
        schema: { tags: ['audit'], summary: 'Who did what to which thing, newest first', querystring: query },
      },
      async ({ principal, query }) =>
        readPage(
          query,
          ({ actor, from, to, ...filter }) =>
            audit.entries(principal, { ...filter, actorId: actor, fromMs: toMs(from), toMs: toMs(to) }),
          entryView,
        ),
    )
  }
