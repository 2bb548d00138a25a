/** The words of the audit log. */
import type { PrincipalKind } from '../platform/http/principal.ts'

export const AUDIT_OUTCOMES = ['done', 'failed', 'denied'] as const
/** `denied`: the caller may not. `failed`: something was changed, and then the call broke off. */
export type AuditOutcome = (typeof AUDIT_OUTCOMES)[number]

/** Who did what to which thing, when and from where. It never changes. */
export interface AuditEntry {
  readonly id: string
  readonly tenantId: string
  readonly projectId: string | null
  /** `nobody`: a sign-in that failed; then `actorId` is the address, and `actorName` what was shown: key, token or person. */
  readonly actorKind: PrincipalKind | 'nobody'
  readonly actorId: string
  readonly actorName: string
  /** The type of the event that the change wrote, such as `agent.paused`; else the permission that the route demands. */
  readonly action: string
  /** Name or id of the thing; null where there is none. */
  readonly target: string | null
  readonly outcome: AuditOutcome
  /** Of the error. */
  readonly code: string | null
  /** `POST /v1/agents/:name/pause`. */
  readonly request: string
  readonly requestId: string | null
  readonly address: string | null
  readonly userAgent: string | null
  readonly createdAtMs: number
}
