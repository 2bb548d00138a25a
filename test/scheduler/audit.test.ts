/** Changes of schedules that meet at one moment share transactions; what each caller did is in the audit log as theirs, and nobody else's. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { type Audit, makeAudit } from '../../src/audit/index.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { makeIdGenerator } from '../../src/platform/ids.ts'
import { makeHandTargets, makeTestSchedules } from '../../src/scheduler/testing.ts'
import { DATABASES, type DatabaseKind } from '../support/databases.ts'
import { HOUR, setUpHourly } from '../support/hourly-schedule.ts'
import { until } from '../support/until.ts'

const callOf = (tenantId: string): Parameters<Audit['during']>[0] => ({
  principal: {
    ...{ kind: 'key', tenantId, projectId: null, keyId: tenantId, name: tenantId, memberId: null, role: null },
    permissions: new Set(),
  },
  permission: 'schedules:write',
  ...{ target: null, request: 'POST /v1/schedules/:name/trigger', requestId: null, address: null, userAgent: null },
})

const openAudited = async (kind: DatabaseKind) => {
  const { db, hub } = await kind.open()
  const audit = makeAudit({ db, clock: systemClock, makeId: makeIdGenerator() })
  return { audit, db: audit.db, hub }
}

for (const kind of DATABASES) {
  test(`triggers of several tenants at one moment on ${kind.name} are each in the audit log of their own tenant`, async () => {
    const { audit, ...database } = await openAudited(kind)
    const set = await setUpHourly(database, { overlap: 'skip' })
    const { service, clock, targets } = set
    const tenants: string[] = [set.tenantId]
    for (let i = 0; i < 5; i++) {
      const tenantId = randomUUID()
      await service.create(tenantId, null, set.request as Parameters<typeof service.create>[2])
      tenants.push(tenantId)
    }
    clock.advance(HOUR)
    await service.sweep()
    assert.equal(targets.started.length, tenants.length)
    clock.advance(1)
    const fires = await Promise.all(
      tenants.map((tenantId) => audit.during(callOf(tenantId), () => service.trigger(tenantId, 'hourly'))),
    )
    assert.deepEqual(new Set(fires.map(({ status }) => status)), new Set(['skipped']))
    for (const tenantId of tenants) {
      const entries = await audit.entries(tenantId, { limit: 10 })
      assert.deepEqual(
        entries.map(({ action, actorId, outcome }) => [action, actorId, outcome]),
        [['schedule.skipped', tenantId, 'done']],
      )
    }
  })

  test(`what falls due on ${kind.name} while somebody calls is not in the audit log as theirs`, async () => {
    const { audit, ...database } = await openAudited(kind)
    const targets = makeHandTargets()
    const service = makeTestSchedules({ ...database, clock: systemClock, targets })
    const [caller, other] = [randomUUID(), randomUUID()]
    const target = { workflow: 'report' }
    await service.create(caller, null, { name: 'mine', timing: { every: '1 hour' }, target, overlap: 'queue-all' })
    await service.trigger(caller, 'mine')
    await service.create(other, null, { name: 'others', timing: { every: '1 sec' }, target, overlap: 'allow' })
    await service.start()
    try {
      const started = async () => (await service.fires(other, 'others', { status: 'started', limit: 100 })).length
      await audit.during(callOf(caller), async () => {
        assert.equal((await service.trigger(caller, 'mine')).status, 'queued')
        const before = await started()
        await until('others to fire twice', async () => (await started()) >= before + 2)
      })
    } finally {
      service.stop()
    }
    const entries = await audit.entries(caller, { limit: 10 })
    assert.deepEqual(
      entries.map(({ action, target }) => [action, target]),
      [['schedules:write', null]],
    )
  })
}
