/** What each role may do, as one table; and the permissions that a key's scopes stand for. */
import { PERMISSIONS, type Permission } from '../platform/http/principal.ts'
import { tenantErrors } from './errors.ts'

export const ROLES = ['owner', 'admin', 'operator', 'developer', 'viewer'] as const
/**
 * `owner`: everything, and alone decides who is an owner. `admin`: everything else. `operator`: keeps the work going, and builds
 * nothing. `developer`: builds and runs, and lets nobody in. `viewer`: looks on.
 */
export type Role = (typeof ROLES)[number]

/** A column for each role, in the order of ROLES. */
const TABLE: Readonly<Record<Exclude<Permission, 'audit:write' | 'owners:read'>, string>> = {
  //                      owner admin operator developer viewer
  'runs:read': /*          */ 'x x x x x',
  'runs:write': /*         */ 'x x x x -',
  'tasks:read': /*         */ 'x x x x x',
  'tasks:write': /*        */ 'x x x x -',
  'queues:read': /*        */ 'x x x x x',
  'queues:write': /*       */ 'x x x - -',
  'workflows:read': /*     */ 'x x x x x',
  'workflows:write': /*    */ 'x x - x -',
  'agents:read': /*        */ 'x x x x x',
  'agents:write': /*       */ 'x x - x -',
  'skills:read': /*        */ 'x x x x x',
  'skills:write': /*       */ 'x x - x -',
  'schedules:read': /*     */ 'x x x x x',
  'schedules:write': /*    */ 'x x x x -',
  'notifications:read': /* */ 'x x x x x',
  'notifications:write': /**/ 'x x x - -',
  'secrets:read': /*       */ 'x x - x -',
  'secrets:write': /*      */ 'x x - - -',
  'keys:read': /*          */ 'x x - - -',
  'keys:write': /*         */ 'x x - - -',
  'members:read': /*       */ 'x x x x x',
  'members:write': /*      */ 'x x - - -',
  'owners:write': /*       */ 'x - - - -',
  'projects:read': /*      */ 'x x x x x',
  'projects:write': /*     */ 'x x - - -',
  // Of the operator's tenant alone; in any other these two are nobody's.
  'tenants:read': /*       */ 'x x - - -',
  'tenants:write': /*      */ 'x - - - -',
  'events:read': /*        */ 'x x x x x',
  'events:write': /*       */ 'x x - - -',
  'audit:read': /*         */ 'x x - - -',
}

export const isRole = (text: string): text is Role => (ROLES as readonly string[]).includes(text)

const mayOf = (permission: Permission, role: Role): boolean =>
  (TABLE as Readonly<Record<string, string>>)[permission]?.split(' ')[ROLES.indexOf(role)] === 'x'

/** The permissions of a role. */
export const grantsOf = (role: Role): Set<Permission> =>
  new Set(PERMISSIONS.filter((permission) => mayOf(permission, role)))

/** What concerns a tenant as a whole, or several. */
const OF_THE_TENANT: ReadonlySet<Permission> = new Set([
  ...(['tenants:read', 'tenants:write', 'projects:write'] as const),
  ...(['members:write', 'owners:write', 'queues:write'] as const),
])

/** Those that a key bound to a project can have. */
export const withinProject = (projectId: string | null, granted: Set<Permission>): Set<Permission> =>
  projectId === null ? granted : new Set([...granted].filter((permission) => !OF_THE_TENANT.has(permission)))

/** The permissions that scopes (see types.ts) stand for. Throws `scope_unknown`. */
export const permissionsOf = (scopes: readonly string[]): Set<Permission> => {
  const granted = new Set<Permission>()
  for (const scope of scopes) {
    const matching = PERMISSIONS.filter((permission) => {
      const [resource, verb] = permission.split(':')
      return scope === '*' || scope === permission || scope === `${resource}:*` || scope === `*:${verb}`
    })
    if (matching.length === 0) {
      throw tenantErrors.scope_unknown(
        `"${scope}" is no scope; allowed: *, *:read, RESOURCE:* or one of ${PERMISSIONS.join(', ')}`,
      )
    }
    for (const permission of matching) granted.add(permission)
  }
  return granted
}
