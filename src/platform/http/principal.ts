/** Who calls, and what each route demands of the caller. */
import { defineErrors } from '../errors.ts'

/** The things that a caller can be allowed to read or write. */
export const RESOURCES = [
  'runs',
  'tasks',
  'queues',
  'workflows',
  'agents',
  'skills',
  'schedules',
  'notifications',
  'secrets',
  'keys',
  'members',
  'owners',
  'projects',
  'tenants',
  'events',
  'audit',
] as const
export type Resource = (typeof RESOURCES)[number]
export type Permission = `${Resource}:${'read' | 'write'}`

/** Nobody writes the audit log; who is an owner is read with the members. */
const MEANINGLESS: readonly Permission[] = ['audit:write', 'owners:read']

export const PERMISSIONS = RESOURCES.flatMap((resource) => [
  `${resource}:read` as Permission,
  `${resource}:write` as Permission,
]).filter((permission) => !MEANINGLESS.includes(permission))

/** `key`: an API key. `member`: a person, by session or by a token of the identity provider. `service`: another process of AIDOS. */
export type PrincipalKind = 'key' | 'member' | 'service'

export interface Principal {
  readonly kind: PrincipalKind
  readonly tenantId: string
  /** Set when the key is bound to one project: what it makes belongs there. */
  readonly projectId: string | null
  /** The id of the key, the member or the service: rates are counted by it, and the audit log names it. */
  readonly keyId: string
  /** For people. */
  readonly name: string
  readonly memberId: string | null
  /** Null for a key with scopes of its own, and for a service. */
  readonly role: string | null
  readonly permissions: ReadonlySet<Permission>
  /** Of a key that ends: when it does. */
  readonly expiresAtMs?: number | null
}

/** What of a request tells who sends it, besides its `Authorization` header. */
export interface CallerEvidence {
  readonly method: string
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
}

export const authErrors = defineErrors({
  unauthenticated: { status: 401 },
  forbidden: { status: 403 },
  /** A request that would change something came by cookie from another site, or without the proof that it did not. */
  csrf_refused: { status: 403 },
})

export const mayNot = (permission: Permission): Error =>
  authErrors.forbidden(`the caller lacks the permission ${permission}`, { details: { permission } })

declare module 'fastify' {
  interface FastifyRequest {
    principal: Principal
  }
  interface FastifyContextConfig {
    /** What a caller needs. Every route names this, or says that it is public or open to anybody known. */
    permission?: Permission
    public?: boolean
    /** Any known caller, whatever it may do: for what concerns the caller itself. */
    anyCaller?: boolean
  }
}
