/** Puts what channels keep sealed under the key that seals now. */
import type { Database } from '../platform/db/database.ts'
import type { Json } from '../platform/json.ts'
import type { SecretBox } from '../platform/secret-box.ts'
import { placeOf } from './channel-secrets.ts'
import { makeResealRepository, type SealedConfig } from './repository-reseal.ts'

const PAGE = 200

/** The configuration with everything in it that is sealed under another key sealed anew; undefined when there is nothing. */
const resealed = ({ id, config }: SealedConfig, box: SecretBox): string | undefined => {
  let isOther = false
  const walk = (key: string, value: Json): Json => {
    if (typeof value === 'string' && key.startsWith('sealed') && !box.isCurrent(value)) {
      isOther = true
      return box.seal(box.open(value, placeOf(id)), placeOf(id))
    }
    return value
  }
  const text = JSON.stringify(JSON.parse(config), (key, value: Json) => walk(key, value))
  return isOther ? text : undefined
}

/** Up to `limit` channels of all tenants; says how many had something under another key. */
export const makeReseal =
  (db: Database, box: SecretBox) =>
  async (limit: number): Promise<number> => {
    const changes: { before: SealedConfig; after: string }[] = []
    for (let afterId = ''; changes.length < limit; ) {
      const page = await makeResealRepository(db.primary).configs(afterId, PAGE)
      for (const before of page) {
        const after = changes.length < limit ? resealed(before, box) : undefined
        if (after !== undefined) changes.push({ before, after })
      }
      const last = page.at(-1)
      if (!last || page.length < PAGE) break
      afterId = last.id
    }
    await db.transaction(async (tx) => {
      for (const { before, after } of changes) await makeResealRepository(tx).change(before, after)
    })
    return changes.length
  }
