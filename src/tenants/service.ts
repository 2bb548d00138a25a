/** Tenants, projects and keys: made, listed, revoked; and who a key speaks for. */
import { LRUCache } from 'lru-cache'
import type { Clock } from '../platform/clock.ts'
import type { Database } from '../platform/db/database.ts'
import { isUniqueViolation } from '../platform/db/errors.ts'
import { defineErrors } from '../platform/errors.ts'
import { authErrors, mayNot, PERMISSIONS, type Permission, type Principal } from '../platform/http/principal.ts'
import type { MakeId } from '../platform/ids.ts'
import { hashSecret, isSameHash, makeKey, readKey } from './keys.ts'
import { makeTenantRepository } from './repository.ts'
import type { ApiKey, Project, Scope, Tenant } from './types.ts'

const tenantErrors = defineErrors({
  project_not_found: { status: 404 },
  project_exists: { status: 409 },
  key_not_found: { status: 404 },
  scope_unknown: { status: 400 },
  tenant_exists: { status: 409 },
})

export interface TenantServiceOptions {
  readonly db: Database
  readonly clock: Clock
  readonly makeId: MakeId
  /** How long a checked key is believed without asking the database. */
  readonly keyCacheMs: number
  readonly keyCacheMax: number
}

export interface NewKey {
  readonly tenantId: string
  readonly projectId: string | null
  readonly name: string
  readonly scopes: readonly Scope[]
  readonly expiresAtMs: number | null
  /** What the maker may do itself: a key never grants more than that. Absent: the operator makes it. */
  readonly grantable?: ReadonlySet<Permission>
}

const DEFAULT_TENANT = 'default'
const TOUCH_EVERY_MS = 60_000

/** The permissions that scopes stand for. Throws `scope_unknown`. */
export const permissionsOf = (scopes: readonly Scope[]): Set<Permission> => {
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

interface Checked {
  readonly principal: Principal
  readonly expiresAtMs: number | null
  readonly checkedAtMs: number
}

export const makeTenantService = ({ db, clock, makeId, keyCacheMs, keyCacheMax }: TenantServiceOptions) => {
  const tenants = makeTenantRepository(db.primary)
  // By the hash of the whole key, so that no secret stays in memory.
  const checked = new LRUCache<string, Checked>({ max: keyCacheMax })
  const touched = new LRUCache<string, number>({ max: keyCacheMax })
  const refused = (): Error =>
    authErrors.unauthenticated('the key is missing, unknown, expired or revoked; send "Authorization: Bearer aidos_…"')

  // The tenant of whoever runs the installation: the only one that may see and make others.
  let operatorId: string | undefined

  const grantedTo = (tenantId: string, scopes: readonly Scope[]): Set<Permission> => {
    const granted = permissionsOf(scopes)
    if (tenantId === operatorId) return granted
    granted.delete('tenants:read')
    granted.delete('tenants:write')
    return granted
  }

  const touch = (keyId: string): void => {
    const nowMs = clock.now()
    if (nowMs - (touched.get(keyId) ?? 0) < TOUCH_EVERY_MS) return
    touched.set(keyId, nowMs)
    db.transaction((tx) => makeTenantRepository(tx).touchKey(keyId, nowMs)).catch(() => touched.delete(keyId))
  }

  const check = async (text: string): Promise<Checked> => {
    const given = readKey(text)
    const found = given && (await tenants.keyForLogin(given.id))
    if (!found || !isSameHash(found.hash, hashSecret(given.secret)) || found.key.revokedAtMs !== null) throw refused()
    const { id: keyId, tenantId, projectId, scopes, expiresAtMs } = found.key
    const principal = { tenantId, projectId, keyId, permissions: grantedTo(tenantId, scopes) }
    return { principal, expiresAtMs, checkedAtMs: clock.now() }
  }

  const remember = async (text: string): Promise<Principal> => {
    const result = await check(text)
    if (result.expiresAtMs !== null && result.expiresAtMs <= clock.now()) throw refused()
    if (keyCacheMs > 0) checked.set(hashSecret(text), result)
    touch(result.principal.keyId)
    return result.principal
  }

  const createKey = async (request: NewKey): Promise<{ apiKey: ApiKey; key: string }> => {
    const { grantable, ...rest } = request
    const granted = [...permissionsOf(request.scopes)]
    const tooMuch = grantable && granted.find((permission) => !grantable.has(permission))
    if (tooMuch) throw mayNot(tooMuch)
    if (request.projectId !== null && !(await tenants.project(request.tenantId, request.projectId))) {
      throw tenantErrors.project_not_found(`there is no project ${request.projectId}`)
    }
    const id = makeId()
    const made = makeKey(id)
    const apiKey = { ...rest, id, revokedAtMs: null, lastUsedAtMs: null, createdAtMs: clock.now() }
    await db.transaction((tx) => makeTenantRepository(tx).addKey(apiKey, made.hash))
    return { apiKey, key: made.key }
  }

  return {
    /** Who a request's `Authorization` header speaks for. Throws `unauthenticated`. */
    authenticate(authorization: string | undefined): Principal | Promise<Principal> {
      const text = /^Bearer (\S+)$/i.exec(authorization ?? '')?.[1]
      if (text === undefined) throw refused()
      const known = checked.get(hashSecret(text))
      const nowMs = clock.now()
      const isFresh = known !== undefined && nowMs - known.checkedAtMs < keyCacheMs
      if (!isFresh || (known.expiresAtMs !== null && known.expiresAtMs <= nowMs)) return remember(text)
      touch(known.principal.keyId)
      return known.principal
    },

    createKey,
    keys: (tenantId: string) => tenants.keys(tenantId),
    async revokeKey(tenantId: string, id: string): Promise<ApiKey> {
      const key = await tenants.key(tenantId, id)
      if (!key) throw tenantErrors.key_not_found(`there is no key ${id}`)
      const nowMs = clock.now()
      await db.transaction((tx) => makeTenantRepository(tx).revokeKey(tenantId, id, nowMs))
      checked.clear()
      return { ...key, revokedAtMs: key.revokedAtMs ?? nowMs }
    },

    projects: (tenantId: string) => tenants.projects(tenantId),
    async createProject(tenantId: string, name: string): Promise<Project> {
      const project = { id: makeId(), tenantId, name, createdAtMs: clock.now() }
      try {
        await db.transaction((tx) => makeTenantRepository(tx).addProject(project))
      } catch (error) {
        if (isUniqueViolation(error)) throw tenantErrors.project_exists(`there is a project "${name}" already`)
        throw error
      }
      return project
    },

    /** The tenant of an embedded start, made at the first; `key` is given then, and never again. */
    async ensureDefaultTenant(): Promise<{ tenant: Tenant; key?: string }> {
      const known = await tenants.tenantByName(DEFAULT_TENANT)
      operatorId = known?.id
      if (known) return { tenant: known }
      const tenant = { id: makeId(), name: DEFAULT_TENANT, createdAtMs: clock.now() }
      operatorId = tenant.id
      await db.transaction((tx) => makeTenantRepository(tx).addTenant(tenant))
      const { key } = await createKey({
        tenantId: tenant.id,
        projectId: null,
        name: 'first key',
        scopes: ['*'],
        expiresAtMs: null,
      })
      return { tenant, key }
    },
    tenants: () => tenants.tenants(),
    /** Another tenant, with its first key. */
    async createTenant(name: string): Promise<{ tenant: Tenant; key: string }> {
      const tenant = { id: makeId(), name, createdAtMs: clock.now() }
      try {
        await db.transaction((tx) => makeTenantRepository(tx).addTenant(tenant))
      } catch (error) {
        if (isUniqueViolation(error)) throw tenantErrors.tenant_exists(`there is a tenant "${name}" already`)
        throw error
      }
      const { key } = await createKey({
        tenantId: tenant.id,
        projectId: null,
        name: 'first key',
        scopes: ['*'],
        expiresAtMs: null,
      })
      return { tenant, key }
    },
  }
}

export type TenantService = ReturnType<typeof makeTenantService>
