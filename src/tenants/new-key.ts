/** A key as it is written: with its event, in one transaction of the caller's. */
import type { Handle } from '../platform/db/database.ts'
import type { EventData, StandaloneEvent } from '../platform/events/event.ts'
import { writeEvent } from '../platform/events/write.ts'
import { makeTenantRepository } from './repository.ts'
import type { Role } from './roles.ts'
import type { ApiKey } from './types.ts'

export const keyEvent = (key: ApiKey, type: string, atMs: number, more: EventData = {}): StandaloneEvent => ({
  tenantId: key.tenantId,
  projectId: key.projectId,
  type,
  data: { keyId: key.id, name: key.name, ...more },
  atMs,
})

type Wish = Pick<ApiKey, 'id' | 'tenantId' | 'projectId' | 'name' | 'scopes' | 'expiresAtMs' | 'createdAtMs'>

/** A role goes before scopes. */
export const newKey = (wish: Wish & { readonly role: Role | null }): ApiKey => ({
  ...wish,
  scopes: wish.role ? [] : wish.scopes,
  ...{ revokedAtMs: null, rotatedAtMs: null, previousUntilMs: null, lastUsedAtMs: null },
})

/** One that may do all in its tenant, and does not end. */
export const ownerKey = (id: string, tenantId: string, name: string, createdAtMs: number): ApiKey =>
  newKey({ id, tenantId, projectId: null, name, role: null, scopes: ['*'], expiresAtMs: null, createdAtMs })

export const writeKey = async (tx: Handle, key: ApiKey, hash: string): Promise<void> => {
  await makeTenantRepository(tx).addKey(key, hash)
  const { role, scopes, createdAtMs } = key
  await writeEvent(tx, keyEvent(key, 'key.created', createdAtMs, { role, scopes: [...scopes] }))
}
