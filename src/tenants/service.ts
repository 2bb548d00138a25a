/** Tenants and projects; and, built here together, who may do what in them: keys, members, sign-in, authentication. */
import type { Clock } from '../platform/clock.ts'
import type { Database, Handle } from '../platform/db/database.ts'
import { isUniqueViolation } from '../platform/db/errors.ts'
import type { EventHub } from '../platform/events/hub.ts'
import { writeEvent } from '../platform/events/write.ts'
import type { Permission } from '../platform/http/principal.ts'
import type { MakeId } from '../platform/ids.ts'
import type { Owner } from '../platform/scope.ts'
import { makeAuthenticate } from './authenticate.ts'
import { type ClaimNames, makeClaimReader } from './claims.ts'
import type { CookieRules } from './cookies.ts'
import { tenantErrors } from './errors.ts'
import { checkFirstKey, type Ending } from './key-expiry.ts'
import { makeKeyService } from './key-service.ts'
import { makeKey } from './keys.ts'
import { type ForgetMember, makeMemberService } from './member-service.ts'
import { ownerKey, writeKey } from './new-key.ts'
import type { Oidc } from './oidc.ts'
import { makeOwnerKeys } from './owner-keys.ts'
import { makeTenantRepository, type PageFilter } from './repository.ts'
import type { Role } from './roles.ts'
import type { ServiceTokens } from './service-token.ts'
import { makeSignIn } from './sign-in.ts'
import type { VerifyToken } from './tokens.ts'
import type { Project, Tenant } from './types.ts'

export interface TenantServiceOptions {
  readonly db: Database
  /** Brings word of changes made by other processes. */
  readonly hub?: EventHub
  readonly clock: Clock
  readonly makeId: MakeId
  /** How long a checked key is believed without asking the database; cut to 5 s. */
  readonly keyCacheMs: number
  readonly keyCacheMax: number
  readonly sessionMs?: number
  readonly claimNames?: ClaimNames
  readonly serviceTokens?: ServiceTokens
  readonly verifyToken?: VerifyToken | undefined
  /** With these two people can sign in to the console. */
  readonly oidc?: Oidc | undefined
  readonly cookies?: CookieRules | undefined
  /** Of people that nobody invited; absent: they are not let in. */
  readonly newMemberRole?: Role | undefined
  /** Ends what others hold for a member, in the transaction that removes it. */
  readonly forgetMember?: ForgetMember | undefined
}

const DEFAULT_TENANT = 'default'
/** The longest that a revoked key or session goes on in a process that heard nothing of it. */
const LONGEST_BELIEF_MS = 5000
const SESSION_MS = 43_200_000
const CLAIM_NAMES: ClaimNames = { tenant: '', role: '', member: 'sub' }
/** Events after which somebody may do less than before. */
const CHANGES = ['key.revoked', 'key.rotated', 'member.changed', 'member.removed', 'member.signed_out']

export const makeTenantService = (options: TenantServiceOptions) => {
  const { db, hub, clock, makeId, keyCacheMs, keyCacheMax: cacheMax, serviceTokens, verifyToken, cookies } = options
  const { sessionMs = SESSION_MS, claimNames: names = CLAIM_NAMES } = options
  const tenants = makeTenantRepository(db.primary)

  // The tenant of whoever runs the installation: the only one that may see and make others.
  let operatorId: string | undefined
  const limitTo = (tenantId: string, granted: Set<Permission>): Set<Permission> => {
    if (tenantId === operatorId) return granted
    granted.delete('tenants:read')
    granted.delete('tenants:write')
    return granted
  }

  const changed = (): void => caller.forget()
  const keys = makeKeyService({ db, clock, makeId, cacheMax, limitTo, changed })
  const members = makeMemberService({
    db,
    clock,
    makeId,
    sessionMs,
    limitTo,
    changed,
    forgetMember: options.forgetMember,
  })
  const claims = makeClaimReader({ names, tenants, members, limitTo })
  const cacheMs = Math.min(keyCacheMs, LONGEST_BELIEF_MS)
  const checks = { keys, members, claims, serviceTokens, verifyToken, cookies }
  const caller = makeAuthenticate({ clock, cacheMs, cacheMax, ...checks })
  const unsubscribe = hub?.subscribe({ types: CHANGES }, changed)
  const signIn = makeSignIn({
    oidc: options.oidc,
    claims,
    members,
    cookies,
    newMemberRole: options.newMemberRole,
    operator,
  })

  function operator(): string | undefined {
    return operatorId
  }

  const addTenant = async (tx: Handle, tenant: Tenant): Promise<void> => {
    await makeTenantRepository(tx).addTenant(tenant)
    const { id: tenantId, name } = tenant
    const atMs = tenant.createdAtMs
    await writeEvent(tx, { tenantId, projectId: null, type: 'tenant.created', data: { name }, atMs })
  }

  /** Undefined when another process was quicker. */
  const addDefaultTenant = async (): Promise<Tenant | undefined> => {
    const tenant = { id: makeId(), name: DEFAULT_TENANT, createdAtMs: clock.now() }
    try {
      await db.transaction((tx) => addTenant(tx, tenant))
      return tenant
    } catch (error) {
      if (isUniqueViolation(error)) return undefined
      throw error
    }
  }

  return {
    authenticate: caller.authenticate,
    keys,
    members,
    signIn,

    /** Newest first, as tenants are. */
    projects: (owner: Owner, filter: PageFilter): Promise<Project[]> => tenants.projects(owner, filter),
    async createProject(tenantId: string, name: string): Promise<Project> {
      const project = { id: makeId(), tenantId, name, createdAtMs: clock.now() }
      try {
        await db.transaction(async (tx) => {
          await makeTenantRepository(tx).addProject(project)
          const { id: projectId, createdAtMs: atMs } = project
          await writeEvent(tx, { tenantId, projectId, type: 'project.created', data: { name }, atMs })
        })
      } catch (error) {
        if (isUniqueViolation(error)) throw tenantErrors.project_exists(`there is a project "${name}" already`)
        throw error
      }
      return project
    },

    ownerKeys: makeOwnerKeys({ db, clock, makeId }),
    /** The tenant of whoever runs the installation: made by the first process that asks. It has no key yet, see `ownerKeys`. */
    async ensureDefaultTenant(): Promise<Tenant> {
      const known = () => tenants.tenantByName(DEFAULT_TENANT)
      const found = (await known()) ?? (await addDefaultTenant()) ?? (await known())
      operatorId = found?.id
      return found as Tenant
    },
    tenants: (filter: PageFilter): Promise<Tenant[]> => tenants.tenants(filter),
    /** Another tenant, with its first key: both or neither. Throws `tenant_exists`, and `key_outlives_maker` to a key that ends. */
    async createTenant(name: string, maker?: Ending): Promise<{ tenant: Tenant; key: string }> {
      checkFirstKey(maker)
      const tenant = { id: makeId(), name, createdAtMs: clock.now() }
      const id = makeId()
      const made = makeKey(id)
      try {
        await db.transaction(async (tx) => {
          await addTenant(tx, tenant)
          await writeKey(tx, ownerKey(id, tenant.id, 'first key', tenant.createdAtMs), made.hash)
        })
      } catch (error) {
        if (isUniqueViolation(error)) throw tenantErrors.tenant_exists(`there is a tenant "${name}" already`)
        throw error
      }
      return { tenant, key: made.key }
    },

    stop: () => unsubscribe?.(),
  }
}

export type TenantService = ReturnType<typeof makeTenantService>
