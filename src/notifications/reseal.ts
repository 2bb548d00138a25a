/** Puts what channels keep sealed under the key that seals now. */
import type { Database } from '../platform/db/database.ts'
import type { Json } from '../platform/json.ts'
import { openIfReadable, type Reseal, type Unreadable } from '../platform/resealing.ts'
import type { SecretBox } from '../platform/secret-box.ts'
import { placeOf } from './channel-secrets.ts'
import { makeResealRepository, type SealedConfig } from './repository-reseal.ts'

/** The configuration with everything in it that is sealed under another key sealed anew, but for what cannot be opened. */
const resealed = ({ id, config }: SealedConfig, box: SecretBox) => {
  let isOther = false
  let isReadable = true
  const walk = (key: string, value: Json): Json => {
    if (typeof value !== 'string' || !key.startsWith('sealed') || box.isCurrent(value)) return value
    const text = openIfReadable(box, value, placeOf(id))
    if (text === undefined) {
      isReadable = false
      return value
    }
    isOther = true
    return box.seal(text, placeOf(id))
  }
  const text = JSON.stringify(JSON.parse(config), (key, value: Json) => walk(key, value))
  return { after: isOther ? text : undefined, isReadable }
}

/** Of all tenants. Looks at `limit` channels: those that have something under another key are found by looking alone. */
export const makeReseal =
  (db: Database, box: SecretBox): Reseal =>
  async (limit, afterId) => {
    const page = await makeResealRepository(db.primary).configs(afterId, limit)
    const unreadable: Unreadable[] = []
    const changes: { before: SealedConfig; after: string }[] = []
    for (const before of page) {
      const { after, isReadable } = resealed(before, box)
      const { tenantId, projectId, name } = before
      if (!isReadable) unreadable.push({ tenantId, projectId, name })
      if (after !== undefined) changes.push({ before, after })
    }
    if (changes.length > 0)
      await db.transaction(async (tx) => {
        for (const { before, after } of changes) await makeResealRepository(tx).change(before, after)
      })
    return { count: changes.length, unreadable, nextId: page.length < limit ? null : (page.at(-1)?.id ?? null) }
  }
