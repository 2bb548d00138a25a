/** Who calls, and what each route demands of the caller. */
import { defineErrors } from '../errors.ts'

/** The things that a key can be allowed to read or write. */
export const RESOURCES = [
  'runs',
  'tasks',
  'workflows',
  'agents',
  'skills',
  'schedules',
  'notifications',
  'keys',
  'projects',
  'tenants',
  'events',
] as const
export type Resource = (typeof RESOURCES)[number]
export type Permission = `${Resource}:${'read' | 'write'}`

export const PERMISSIONS = RESOURCES.flatMap((resource) => [`${resource}:read`, `${resource}:write`] as Permission[])

export interface Principal {
  readonly tenantId: string
  /** Set when the key is bound to one project: what it makes belongs there. */
  readonly projectId: string | null
  readonly keyId: string
  readonly permissions: ReadonlySet<Permission>
}

export const authErrors = defineErrors({
  unauthenticated: { status: 401 },
  forbidden: { status: 403 },
})

export const mayNot = (permission: Permission): Error =>
  authErrors.forbidden(`this key lacks the permission ${permission}`, { details: { permission } })

declare module 'fastify' {
  interface FastifyRequest {
    principal: Principal
  }
  interface FastifyContextConfig {
    /** What a caller needs. Every route names this or says that it is public. */
    permission?: Permission
    public?: boolean
  }
}
