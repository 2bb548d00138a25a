/** A rotation that meets what cannot be opened, over both databases. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { DATABASES } from '../../test/support/databases.ts'
import { makeReseal } from '../notifications/reseal.ts'
import { makeFakeClock } from '../platform/clock.ts'
import type { AppError } from '../platform/errors.ts'
import { makeIdGenerator } from '../platform/ids.ts'
import { makeSecretBox } from '../platform/secret-box.ts'
import { makeSecretKeys } from '../platform/secret-keys.ts'
import { makeRotation } from './rotation.ts'
import type { SecretTables } from './schema.ts'
import { makeSecretService } from './service.ts'

type ChannelTables = { channels: Record<string, unknown> }

for (const database of DATABASES) {
  test(`rotation on ${database.name}: a secret that is set while the keys change is known by the key that sealed it`, async () => {
    const { db } = await database.open()
    const clock = makeFakeClock()
    const [before, after] = [randomBytes(32), randomBytes(32)]
    // The file changes right after the key was taken from it.
    const files = [[before], [before], [after, before]]
    const read = () => (files.length > 1 ? files.shift() : files[0]) as Buffer[]
    const keys = makeSecretKeys(read, () => {
      clock.advance(1000)
      return clock.now()
    })
    const makeId = makeIdGenerator(clock.now)
    const secrets = makeSecretService({ db, clock, makeId, box: makeSecretBox(keys) })
    await secrets.set({ tenantId: 't1', projectId: null, name: 'A' }, { value: 'geheim' })
    const rotation = makeRotation({ keys, sealed: [{ name: 'secrets', reseal: secrets.reseal }] })
    assert.deepEqual((await rotation.rotate()).resealed, { secrets: 1 })
    const later = makeSecretService({ db, clock, makeId, box: makeSecretBox(after) })
    const named = { tenantId: 't1', projectId: null, reference: { $secret: 'A' }, url: null }
    assert.equal(await later.reveal(named), 'geheim')
  })

  const setUp = async () => {
    const { db } = await database.open()
    const clock = makeFakeClock()
    let ring = [randomBytes(32)]
    const keys = makeSecretKeys(() => ring, clock.now)
    const box = makeSecretBox(keys)
    const secrets = makeSecretService({ db, clock, makeId: makeIdGenerator(clock.now), box })
    const addKey = (): void => {
      ring = [randomBytes(32), ...ring]
      clock.advance(1000)
    }
    const set = (name: string, value: string) => secrets.set({ tenantId: 't1', projectId: null, name }, { value })
    const breakSecrets = (names: readonly string[]) =>
      db.transaction(async (tx) => {
        const update = tx.withTables<SecretTables>().updateTable('secrets').set({ sealed: 'v2.none.xyz' })
        await update.where('name', 'in', names).execute()
      })
    const rotation = makeRotation({
      keys,
      sealed: [
        { name: 'secrets', reseal: secrets.reseal },
        { name: 'channels', reseal: makeReseal(db, box) },
      ],
    })
    const refusal = (): Promise<AppError> =>
      rotation.rotate().then(
        () => assert.fail('it was not refused'),
        (error: AppError) => error,
      )
    const oldSecrets = async (): Promise<string[]> => {
      const rows = db.primary.withTables<SecretTables>().selectFrom('secrets').select(['name', 'key_id'])
      return (await rows.orderBy('name').execute()).filter((row) => row.key_id !== keys.all()[0]!.id).map((r) => r.name)
    }
    return { db, box, keys, secrets, rotation, addKey, set, breakSecrets, refusal, oldSecrets }
  }
  const name = (title: string): string => `rotation on ${database.name}: ${title}`

  test(name('a secret that cannot be opened is named, and all others are changed'), async () => {
    const { keys, rotation, addKey, set, breakSecrets, refusal, oldSecrets } = await setUp()
    for (const each of ['A', 'B', 'C']) await set(each, `geheim-${each}`)
    await breakSecrets(['A'])
    addKey()
    const error = await refusal()
    assert.deepEqual([error.code, error.status], ['rotation_incomplete', 409])
    assert.match(error.message, /"A" of the tenant t1 \(secrets\).*delete or set each anew/)
    const keyId = keys.all()[0]!.id
    assert.deepEqual(error.details, {
      unreadable: [{ kind: 'secrets', tenantId: 't1', projectId: null, name: 'A' }],
      ...{ count: 1, keyId, resealed: { secrets: 2, channels: 0 } },
    })
    assert.doesNotMatch(JSON.stringify([error.message, error.details]), /geheim|xyz/)
    assert.deepEqual(await oldSecrets(), ['A'])
    await set('A', 'another')
    assert.deepEqual(await rotation.rotate(), { keyId, resealed: { secrets: 0, channels: 0 }, isDone: true })
  })

  test(name('more such secrets than one batch takes keep none back, and a hundred are named'), async () => {
    const { secrets, addKey, set, breakSecrets, refusal, oldSecrets } = await setUp()
    const broken = Array.from({ length: 101 }, (_, i) => `BROKEN_${i}`)
    for (const each of [...broken, 'GOOD']) await set(each, 'geheim')
    await breakSecrets(broken)
    addKey()
    const { message, details } = await refusal()
    assert.match(message, /^101 cannot be opened.* and 1 more\. /)
    const named = details?.unreadable
    assert.deepEqual([details?.count, Array.isArray(named) && named.length], [101, 100])
    assert.deepEqual(await oldSecrets(), broken.toSorted())
    for (const each of broken) await secrets.remove({ tenantId: 't1', projectId: null, name: each })
    assert.deepEqual(await oldSecrets(), [])
  })

  test(name('a channel that cannot be opened is named, and the others are changed'), async () => {
    const { db, box, addKey, refusal } = await setUp()
    const row = { tenant_id: 't2', project_id: 'p', kind: 'slack', status: 'active', reason: null }
    const channel = (id: string, sealedUrl: string) => ({
      ...{ ...row, id, name: `hook-${id}`, created_at: 0, updated_at: 0 },
      config: JSON.stringify({ kind: 'slack', sealedUrl }),
    })
    await db.transaction(async (tx) => {
      const insert = tx.withTables<ChannelTables>().insertInto('channels')
      // The first is sealed for another row.
      const values = [channel('c1', box.seal('geheim', 'channel:c9')), channel('c2', box.seal('url', 'channel:c2'))]
      await insert.values(values).execute()
    })
    addKey()
    const { details } = await refusal()
    assert.partialDeepStrictEqual(details, {
      unreadable: [{ kind: 'channels', tenantId: 't2', projectId: 'p', name: 'hook-c1' }],
      resealed: { secrets: 0, channels: 1 },
    })
  })
}
