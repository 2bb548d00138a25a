import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DATABASES } from '../../test/support/databases.ts'
import { makeFakeClock } from '../platform/clock.ts'
import { toTime } from '../platform/http/views.ts'
import { makeIdGenerator } from '../platform/ids.ts'
import { makeTenantService } from './service.ts'

for (const database of DATABASES) {
  const setUp = async () => {
    const { db } = await database.open()
    const clock = makeFakeClock()
    const tenants = makeTenantService({ db, clock, makeId: makeIdGenerator(), keyCacheMs: 0, keyCacheMax: 10 })
    const { id: tenantId } = await tenants.ensureDefaultTenant()
    const request = { tenantId, projectId: null, name: 'k', scopes: ['*'] }
    const create = (expiresAtMs: number | null) => tenants.keys.create({ ...request, expiresAtMs })
    /** As a caller with a key that ends then. */
    const maker = async (expiresAtMs: number | null) =>
      tenants.authenticate(`Bearer ${(await create(expiresAtMs)).key}`)
    return { tenants, tenantId, request, create, maker, nowMs: clock.now() }
  }
  const name = (title: string): string => `the end of keys on ${database.name}: ${title}`

  test(name('one that is past is refused, and says what was given and what is right'), async () => {
    const { tenants, tenantId, create, nowMs } = await setUp()
    for (const expiresAtMs of [0, nowMs - 1, nowMs]) {
      const [finding, message] = [
        { path: 'body.expiresAt', given: toTime(expiresAtMs) },
        new RegExp(`is ${toTime(expiresAtMs)}, .*later than now, ${toTime(nowMs)}`),
      ]
      await assert.rejects(create(expiresAtMs), (error: Error & { code?: string; findings?: object[] }) => {
        assert.equal(error.code, 'key_expiry_invalid')
        assert.match(error.message, message)
        assert.partialDeepStrictEqual(error.findings, [finding])
        return true
      })
    }
    assert.deepEqual(await tenants.keys.list(tenantId, { limit: 10 }), [])
    assert.equal((await create(nowMs + 1)).apiKey.expiresAtMs, nowMs + 1)
  })

  test(name('a key that ends makes none that ends later or never'), async () => {
    const { tenants, request, maker, nowMs } = await setUp()
    const endsAtMs = nowMs + 60_000
    const ending = await maker(endsAtMs)
    for (const expiresAtMs of [null, endsAtMs + 1])
      await assert.rejects(tenants.keys.create({ ...request, expiresAtMs, maker: ending }), {
        code: 'key_outlives_maker',
        message: new RegExp(
          `${expiresAtMs === null ? 'is missing' : toTime(expiresAtMs)}.* ${toTime(endsAtMs)} or earlier`,
        ),
      })
    const { apiKey } = await tenants.keys.create({ ...request, expiresAtMs: endsAtMs, maker: ending })
    assert.equal(apiKey.expiresAtMs, endsAtMs)
    await tenants.keys.create({ ...request, expiresAtMs: null, maker: await maker(null) })
  })

  test(name('a key that ends makes no tenant, for the first key of that would not end'), async () => {
    const { tenants, maker, nowMs } = await setUp()
    await assert.rejects(tenants.createTenant('other', await maker(nowMs + 60_000)), {
      code: 'key_outlives_maker',
      message: /2026-01-01T00:01:00\.000Z; make the tenant with one that does not end/,
    })
    // Nothing is left of it: the name is free.
    const { key } = await tenants.createTenant('other', await maker(null))
    assert.equal((await tenants.authenticate(`Bearer ${key}`)).expiresAtMs, null)
  })

  test(name('a key that ends rotates itself and none that lives longer'), async () => {
    const { tenants, tenantId, create, maker, nowMs } = await setUp()
    const ending = await maker(nowMs + 60_000)
    for (const longer of [await create(null), await create(nowMs + 60_001)]) {
      await assert.rejects(tenants.keys.rotate(tenantId, longer.apiKey.id, 0, ending), {
        code: 'key_outlives_maker',
        message: /"k" .*2026-01-01T00:01:00\.000Z; rotate it with one that lives as long/,
      })
      await tenants.authenticate(`Bearer ${longer.key}`)
    }
    const { key, apiKey } = await tenants.keys.rotate(tenantId, ending.keyId, 0, ending)
    assert.equal(apiKey.expiresAtMs, nowMs + 60_000)
    assert.equal((await tenants.authenticate(`Bearer ${key}`)).keyId, ending.keyId)
    const shorter = await create(nowMs + 1)
    await tenants.keys.rotate(tenantId, shorter.apiKey.id, 0, ending)
  })
}
