import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DATABASES } from '../../test/support/databases.ts'
import { makeFakeClock } from '../platform/clock.ts'
import { makeIdGenerator } from '../platform/ids.ts'
import { makeKey } from './keys.ts'
import { makeTenantService } from './service.ts'

const makeId = makeIdGenerator()

for (const database of DATABASES) {
  const setUp = async () => {
    const { db } = await database.open()
    const clock = makeFakeClock()
    const process = () => makeTenantService({ db, clock, makeId, keyCacheMs: 0, keyCacheMax: 10 })
    return { db, process }
  }
  const name = (title: string): string => `owner keys on ${database.name}: ${title}`

  test(name('of processes that start together all find one tenant, and exactly one makes its key'), async () => {
    const { process } = await setUp()
    const processes = Array.from({ length: 4 }, process)
    const found = await Promise.all(processes.map((each) => each.ensureDefaultTenant()))
    assert.equal(new Set(found.map(({ id }) => id)).size, 1)
    const { id } = found[0]!
    const made = await Promise.all(processes.map((each) => each.ownerKeys.createFirst(id)))
    const [key, ...more] = made.filter((each) => each !== undefined)
    assert.equal(more.length, 0)
    for (const each of processes) {
      const principal = await each.authenticate(`Bearer ${key}`)
      assert.equal(principal.tenantId, id)
      assert.ok(principal.permissions.has('tenants:write'))
    }
  })

  test(name('one that was revoked is not made again'), async () => {
    const { process } = await setUp()
    const tenants = process()
    const { id } = await tenants.ensureDefaultTenant()
    await tenants.ownerKeys.createFirst(id)
    const [key] = await tenants.keys.list(id, { limit: 10 })
    await tenants.keys.revoke(id, key!.id)
    assert.equal(await tenants.ownerKeys.createFirst(id), undefined)
  })

  test(name('a given one counts from the first process that gives it, however many do'), async () => {
    const { process } = await setUp()
    const { key } = makeKey(makeId())
    const processes = Array.from({ length: 3 }, process)
    const { id } = await processes[0]!.ensureDefaultTenant()
    for (const each of processes) await each.ensureDefaultTenant()
    const made = await Promise.all(processes.map((each) => each.ownerKeys.adopt(id, key)))
    assert.equal(made.filter(Boolean).length, 1)
    assert.equal(await processes[1]!.ownerKeys.adopt(id, key), false)
    assert.equal((await processes[2]!.authenticate(`Bearer ${key}`)).tenantId, id)
    assert.equal((await processes[0]!.keys.list(id, { limit: 10 })).length, 1)
  })

  test(name('a given one that is malformed, revoked, rotated or of another tenant is refused'), async () => {
    const { process } = await setUp()
    const tenants = process()
    const { id } = await tenants.ensureDefaultTenant()
    const { adopt } = tenants.ownerKeys
    await assert.rejects(adopt(id, 'aidos_1_2'), { code: 'key_malformed' })
    const ended = { code: 'key_ended' }
    const foreign = await tenants.createTenant('other')
    await assert.rejects(adopt(id, foreign.key), ended)
    const [revoked, rotated] = [makeKey(makeId()), makeKey(makeId())]
    for (const { key } of [revoked, rotated]) assert.equal(await adopt(id, key), true)
    const idOf = (key: string): string =>
      key.slice(6, 38).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
    await tenants.keys.revoke(id, idOf(revoked.key))
    await assert.rejects(adopt(id, revoked.key), ended)
    await tenants.keys.rotate(id, idOf(rotated.key), 60_000)
    await assert.rejects(adopt(id, rotated.key), ended)
  })
}
