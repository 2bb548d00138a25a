/** API keys: made, rotated, revoked; and the check of one that was sent. */
import { LRUCache } from 'lru-cache'
import type { Clock } from '../platform/clock.ts'
import type { Database } from '../platform/db/database.ts'
import { writeEvent } from '../platform/events/write.ts'
import { mayNot, type Permission, type Principal } from '../platform/http/principal.ts'
import type { MakeId } from '../platform/ids.ts'
import type { Owner } from '../platform/scope.ts'
import { tenantErrors } from './errors.ts'
import { checkExpiry, checkRotation } from './key-expiry.ts'
import { makeKey, matchSecret, readKey } from './keys.ts'
import { keyEvent, newKey, writeKey } from './new-key.ts'
import { makeTenantRepository, type PageFilter } from './repository.ts'
import { grantsOf, permissionsOf, type Role, withinProject } from './roles.ts'
import type { ApiKey, Scope } from './types.ts'

export interface NewKey {
  readonly tenantId: string
  readonly projectId: string | null
  readonly name: string
  /** Instead of scopes. */
  readonly role?: Role | undefined
  readonly scopes: readonly Scope[]
  readonly expiresAtMs: number | null
  /** Who makes it: a key never grants more than its maker has, nor longer. Absent: the operator makes it. */
  readonly maker?: Pick<Principal, 'permissions' | 'projectId' | 'expiresAtMs'>
}

/** A key that was checked, until when that holds at the most. */
export interface CheckedKey {
  readonly principal: Principal
  readonly untilMs: number | null
}

export interface KeyServiceOptions {
  readonly db: Database
  readonly clock: Clock
  readonly makeId: MakeId
  readonly cacheMax: number
  /** What a tenant may have of these: the operator's all of them. */
  readonly limitTo: (tenantId: string, permissions: Set<Permission>) => Set<Permission>
  /** Told when a key counts no more, or differently. */
  readonly changed: () => void
}

const TOUCH_EVERY_MS = 60_000

export const makeKeyService = (options: KeyServiceOptions) => {
  const { db, clock, makeId, cacheMax, limitTo, changed } = options
  const tenants = makeTenantRepository(db.primary)
  const touched = new LRUCache<string, number>({ max: cacheMax })

  type Wish = Pick<ApiKey, 'projectId' | 'scopes'> & { role?: Role | null | undefined }
  const wantedOf = ({ projectId, role, scopes }: Wish): Set<Permission> =>
    withinProject(projectId, role ? grantsOf(role) : permissionsOf(scopes))

  const find = async (owner: Owner, id: string): Promise<ApiKey> => {
    const key = await tenants.key(owner, id)
    if (!key) throw tenantErrors.key_not_found(`there is no key ${id}`)
    return key
  }

  type Grants = Wish & Pick<ApiKey, 'tenantId'>
  const checkNoMore = (key: Grants, maker: NewKey['maker']): void => {
    // Also without a maker: a scope that does not exist is refused.
    const wanted = limitTo(key.tenantId, wantedOf(key))
    const tooMuch = maker && [...wanted].find((permission) => !maker.permissions.has(permission))
    if (tooMuch) throw mayNot(tooMuch)
  }
  const checkMaker = (request: Grants, maker: NewKey['maker']): void => {
    checkNoMore(request, maker)
    const { projectId } = request
    if (maker && maker.projectId !== null && projectId !== maker.projectId)
      throw tenantErrors.project_not_allowed(`this key belongs to the project ${maker.projectId}`)
  }

  return {
    /** The secret is in the answer alone. Throws `key_expiry_invalid`, `key_outlives_maker`, `project_not_found`. */
    async create(request: NewKey): Promise<{ apiKey: ApiKey; key: string }> {
      const { tenantId, projectId, name, role = null, scopes, expiresAtMs } = request
      checkMaker(request, request.maker)
      const createdAtMs = clock.now()
      checkExpiry(expiresAtMs, createdAtMs, request.maker)
      if (projectId !== null && !(await tenants.project(tenantId, projectId)))
        throw tenantErrors.project_not_found(`there is no project ${projectId}`)
      const id = makeId()
      const made = makeKey(id)
      const apiKey = newKey({ id, tenantId, projectId, name, role, scopes, expiresAtMs, createdAtMs })
      await db.transaction((tx) => writeKey(tx, apiKey, made.hash))
      return { apiKey, key: made.key }
    },

    /** Newest first. */
    list: (owner: Owner, filter: PageFilter): Promise<ApiKey[]> => tenants.keys(owner, filter),

    /**
     * Another secret for the same key; the one before counts for `keepOldMs` longer, and any older one no more. The caller must have
     * what the key grants, and live as long. Throws `key_not_found`, `key_ended`, `key_outlives_maker`.
     */
    async rotate(
      owner: Owner,
      id: string,
      keepOldMs: number,
      maker?: NewKey['maker'],
    ): Promise<{ apiKey: ApiKey; key: string }> {
      const before = await find(owner, id)
      const nowMs = clock.now()
      const ended = (): Error => tenantErrors.key_ended(`the key "${before.name}" is revoked or expired; make another`)
      if (before.revokedAtMs !== null || (before.expiresAtMs !== null && before.expiresAtMs <= nowMs)) throw ended()
      checkMaker(before, maker)
      checkRotation(before, maker)
      const made = makeKey(id)
      const previousUntilMs = nowMs + keepOldMs
      await db.transaction(async (tx) => {
        if (!(await makeTenantRepository(tx).rotateKey(before.tenantId, id, made.hash, previousUntilMs, nowMs)))
          throw ended()
        await writeEvent(tx, keyEvent(before, 'key.rotated', nowMs, { previousUntilMs }))
      })
      changed()
      return { apiKey: { ...before, rotatedAtMs: nowMs, previousUntilMs }, key: made.key }
    },

    /**
     * It counts no more: here at once, in other processes as soon as they look again. The caller must have what the key grants. Throws
     * `key_not_found`.
     */
    async revoke(owner: Owner, id: string, maker?: NewKey['maker']): Promise<ApiKey> {
      const key = await find(owner, id)
      checkNoMore(key, maker)
      const nowMs = clock.now()
      await db.transaction(async (tx) => {
        if (await makeTenantRepository(tx).revokeKey(key.tenantId, id, nowMs))
          await writeEvent(tx, keyEvent(key, 'key.revoked', nowMs))
      })
      changed()
      return { ...key, revokedAtMs: key.revokedAtMs ?? nowMs }
    },

    /** Whom a key speaks for; undefined when it is unknown, wrong, expired or revoked: which one is not told. */
    async check(text: string): Promise<CheckedKey | undefined> {
      const given = readKey(text)
      if (!given) return undefined
      const match = matchSecret(await tenants.hashesOf(given.id), given.secret)
      const key = match && (await tenants.keyForLogin(given.id))
      if (!key) return undefined
      const { id: keyId, tenantId, projectId, name, role, expiresAtMs, previousUntilMs } = key
      const untilMs = match === 'current' ? expiresAtMs : Math.min(previousUntilMs ?? 0, expiresAtMs ?? Infinity)
      if (key.revokedAtMs !== null || (untilMs !== null && untilMs <= clock.now())) return undefined
      const permissions = limitTo(tenantId, wantedOf(key))
      const who = { kind: 'key', tenantId, projectId, keyId, name, memberId: null } as const
      return { principal: { ...who, role, permissions, expiresAtMs }, untilMs }
    },

    /** Notes that a key is in use, seldom: it is no write per request. */
    touch(keyId: string): void {
      const nowMs = clock.now()
      if (nowMs - (touched.get(keyId) ?? Number.NEGATIVE_INFINITY) < TOUCH_EVERY_MS) return
      touched.set(keyId, nowMs)
      const write = db.transaction((tx) => makeTenantRepository(tx).touchKey(keyId, nowMs, TOUCH_EVERY_MS))
      write.catch(() => touched.delete(keyId))
    },
  }
}

export type KeyService = ReturnType<typeof makeKeyService>
