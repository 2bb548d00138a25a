/**
 * The key of whoever runs the installation: made once, by whichever process asks first, or given from outside. With it every other key is
 * made.
 */
import type { Clock } from '../platform/clock.ts'
import type { Database } from '../platform/db/database.ts'
import type { MakeId } from '../platform/ids.ts'
import { tenantErrors } from './errors.ts'
import { hashSecret, makeKey, matchSecret, readKey } from './keys.ts'
import { ownerKey, writeKey } from './new-key.ts'
import { makeTenantRepository } from './repository.ts'

export interface OwnerKeysOptions {
  readonly db: Database
  readonly clock: Clock
  readonly makeId: MakeId
}

export const makeOwnerKeys = ({ db, clock, makeId }: OwnerKeysOptions) => {
  return {
    /** The tenant's first key; undefined where it has, or had, one. Of several processes that ask at once one gets it. */
    async createFirst(tenantId: string): Promise<string | undefined> {
      const id = makeId()
      const made = makeKey(id)
      const isFirst = await db.transaction(async (tx) => {
        const tenants = makeTenantRepository(tx)
        await tenants.lockTenant(tenantId)
        if ((await tenants.keys(tenantId, { limit: 1 })).length > 0) return false
        await writeKey(tx, ownerKey(id, tenantId, 'first key', clock.now()), made.hash)
        return true
      })
      return isFirst ? made.key : undefined
    },

    /**
     * Makes a key count that was made elsewhere; false where it did so already. Throws `key_malformed`, and `key_ended` when it was
     * revoked, replaced by another secret, or is not the owner's.
     */
    async adopt(tenantId: string, text: string): Promise<boolean> {
      const given = readKey(text)
      if (!given) throw tenantErrors.key_malformed('this is no key of AIDOS: aidos_ID_SECRET is')
      return db.transaction(async (tx) => {
        const tenants = makeTenantRepository(tx)
        await tenants.lockTenant(tenantId)
        const known = await tenants.keyForLogin(given.id)
        if (!known) {
          await writeKey(tx, ownerKey(given.id, tenantId, 'owner key', clock.now()), hashSecret(given.secret))
          return true
        }
        const isCurrent = matchSecret(await tenants.hashesOf(given.id), given.secret) === 'current'
        const isOwners = known.tenantId === tenantId && known.projectId === null && known.scopes.includes('*')
        if (isCurrent && isOwners && known.revokedAtMs === null && known.expiresAtMs === null) return false
        throw tenantErrors.key_ended(
          'the given key counts no more (revoked, expired or rotated), or may not do all; give another',
        )
      })
    },
  }
}
