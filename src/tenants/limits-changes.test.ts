import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DATABASES } from '../../test/support/databases.ts'
import { makeAudit } from '../audit/index.ts'
import { makeFakeClock } from '../platform/clock.ts'
import { decorateDatabase } from '../platform/db/database.ts'
import { makeIdGenerator } from '../platform/ids.ts'
import { makeLimitsService } from './limits.ts'
import { makeTenantService } from './service.ts'

const DEFAULTS = {
  ...{ requestsPerMinute: 1, requestsPerMinutePerKey: 1, requestsUnderWay: 1, runsPerDay: 1, tasksPerDay: 1 },
  ...{ tokensPerDay: 1, costPerDay: 1, storagePerDay: 1 },
}

for (const database of DATABASES) {
  const setUp = async () => {
    const { db } = await database.open()
    const base = { clock: makeFakeClock(), makeId: makeIdGenerator() }
    const tenants = makeTenantService({ db, ...base, keyCacheMs: 0, keyCacheMax: 10 })
    const { tenant } = await tenants.createTenant('one')
    return { db, ...base, tenantId: tenant.id }
  }
  const name = (title: string): string => `limits on ${database.name}: ${title}`

  test(name('changes at the same moment all hold'), async () => {
    const { db, clock, tenantId } = await setUp()
    const limits = makeLimitsService({ db, clock, defaults: DEFAULTS })
    await limits.change(tenantId, { runsPerDay: 2 })
    await Promise.all([
      limits.change(tenantId, { tasksPerDay: 3 }),
      limits.change(tenantId, { costPerDay: 4 }),
      limits.change(tenantId, { tokensPerDay: 5 }),
    ])
    const wanted = { ...DEFAULTS, runsPerDay: 2, tasksPerDay: 3, costPerDay: 4, tokensPerDay: 5 }
    assert.deepEqual(await limits.show(tenantId), wanted)
  })

  test(name('a change and its entry in the audit log are there together'), async () => {
    const { db, clock, makeId, tenantId } = await setUp()
    // After the change nothing more gets through, as when the process dies then.
    let left = 1
    const dying = decorateDatabase(db, {
      transaction: (work) => (left-- > 0 ? db.transaction(work) : Promise.reject(new Error('the process is gone'))),
    })
    const audit = makeAudit({ db: dying, clock, makeId })
    const limits = makeLimitsService({ db: audit.db, clock, defaults: DEFAULTS })
    const principal = { kind: 'key', tenantId: 'op', projectId: null, keyId: 'k', name: 'k', memberId: null } as const
    const call = {
      principal: { ...principal, role: null, permissions: new Set(['tenants:write'] as const) },
      ...{ permission: 'tenants:write', target: tenantId, request: 'PATCH /v1/tenants/:id/limits' },
      ...{ requestId: null, address: null, userAgent: null },
    }
    await audit.during(call, () => limits.change(tenantId, { runsPerDay: 9 })).catch(() => {})
    assert.equal((await limits.show(tenantId)).runsPerDay, 9)
    const entries = await audit.entries('op', { limit: 10 })
    assert.deepEqual(
      entries.map(({ action, target, outcome }) => [action, target, outcome]),
      [['tenant.limits_changed', tenantId, 'done']],
    )
  })
}
