import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { DATABASES } from '../../../test/support/databases.ts'
import { makeFakeClock } from '../clock.ts'
import { insertRows } from '../db/statements.ts'
import { makeQuotas } from './quotas.ts'
import { makeUsageMeter, noUsage, type Usage } from './usage.ts'

const insertSignal = insertRows('signals', {
  ...{ id: 'text', tenant_id: 'text', run_id: 'text', name: 'text', payload: 'text', created_at: 'bigint' },
} as const)

for (const database of DATABASES) {
  const setUp = async (limits: Partial<Usage>) => {
    const { db } = await database.open()
    const clock = makeFakeClock()
    const tenantId = randomUUID()
    const process = (workerId: string) => {
      const meter = makeUsageMeter({ db, clock, workerId })
      const isRepeated = async ({ idempotencyKey }: { idempotencyKey: string }) => idempotencyKey === 'known'
      const all = { ...noUsage(), ...limits }
      const quotas = makeQuotas({ meter, clock, limitsOf: () => all, isRepeated, cacheMs: 2000 })
      const check = (of: string, wanted: 'run' | 'task' | 'turn', idempotencyKey?: string) =>
        quotas.check({ tenantId: of, projectId: null, wanted, idempotencyKey })
      return { meter, quotas, check }
    }
    return { db, clock, tenantId, process }
  }
  const name = (title: string): string => `quotas on ${database.name}: ${title}`

  test(name('what is written in one moment is added up, and the processes too'), async () => {
    const { process, tenantId, clock } = await setUp({})
    const [a, b] = [process('a'), process('b')]
    const more = Array.from({ length: 20 }, () => a.meter.add(tenantId, { tokens: 3, cost: 5 }))
    await Promise.all([...more, b.meter.add(tenantId, { tokens: 1 }), b.meter.add('other', { tokens: 9 })])
    assert.deepEqual(await a.quotas.usage(tenantId), { ...noUsage(), tokens: 61, cost: 100 })
    clock.advance(86_400_000)
    assert.deepEqual(await a.quotas.usage(tenantId), noUsage())
  })

  test(name('what a unit writes is counted with it, and not when it is refused'), async () => {
    const { process, tenantId } = await setUp({})
    const { meter, quotas } = process('a')
    const row = ['id-1', tenantId, 'run', 'go', '"payload"', 1] as const
    await meter.db.commit({ writes: [{ statement: insertSignal, row }] })
    const size = row.slice(0, 5).join('').length
    assert.equal((await quotas.usage(tenantId)).storage, size)
    await assert.rejects(meter.db.commit({ writes: [{ statement: insertSignal, row }] }))
    assert.equal((await quotas.usage(tenantId)).storage, size)
  })

  test(name('one that is used up is named with used, limit and reset, and is back with the next day'), async () => {
    const { process, tenantId, clock } = await setUp({ tokens: 10 })
    const { meter, check } = process('a')
    await check(tenantId, 'run')
    await meter.add(tenantId, { tokens: 10 })
    await assert.rejects(check(tenantId, 'run'), {
      code: 'quota_exceeded',
      status: 429,
      retryAfterMs: 86_400_000,
      details: { quota: 'tokens', used: 10, limit: 10, reset: '2026-01-02T00:00:00.000Z' },
    })
    await assert.rejects(check(tenantId, 'task'), { code: 'quota_exceeded' })
    await assert.rejects(check(tenantId, 'run', 'unknown'), { code: 'quota_exceeded' })
    await check(tenantId, 'run', 'known')
    await check('other', 'run')
    clock.advance(86_400_000)
    await check(tenantId, 'run')
  })

  test(name('a call of a model is held by tokens and cost alone, and costs no query each'), async () => {
    const { db, clock, tenantId } = await setUp({})
    const meter = makeUsageMeter({ db, clock, workerId: 'a' })
    let reads = 0
    const read: typeof meter.read = (...of) => {
      reads++
      return meter.read(...of)
    }
    const counting = { ...meter, read }
    const limits = { ...noUsage(), runs: 1, tasks: 1, storage: 1, tokens: 1000, cost: 500 }
    const isRepeated = () => assert.fail('a call of a model is no repetition')
    const quotas = makeQuotas({ meter: counting, clock, limitsOf: () => limits, isRepeated, cacheMs: 2000 })
    const call = async (used: Partial<Usage>) => {
      await quotas.check({ tenantId, projectId: null, wanted: 'turn' })
      await meter.add(tenantId, used)
    }
    await meter.add(tenantId, { runs: 5, tasks: 5, storage: 5 })
    for (let i = 0; i < 10; i++) await call({ tokens: 10, cost: 49 })
    assert.equal(reads, 1)
    await call({ cost: 10 })
    await assert.rejects(call({}), { code: 'quota_exceeded', message: /cost is used up: 500 of 500/ })
    assert.equal(reads, 1)
  })

  test(name('another process hears of what was used within the time of its cache'), async () => {
    const { process, tenantId, clock } = await setUp({ tokens: 10 })
    const [a, b] = [process('a'), process('b')]
    await b.check(tenantId, 'run')
    await a.meter.add(tenantId, { tokens: 10 })
    await b.check(tenantId, 'run')
    clock.advance(2000)
    await assert.rejects(b.check(tenantId, 'run'), { code: 'quota_exceeded' })
  })
}
