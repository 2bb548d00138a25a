/** Runs give the places back that they were born with. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BACKENDS } from '../../test/support/backends.ts'
import { startTestEngine } from '../../test/support/engine.ts'
import { until } from '../../test/support/until.ts'
import { noRules, type QueueRules } from '../platform/queue/rules.ts'
import type { WorkflowFunction } from './index.ts'

for (const backend of BACKENDS) {
  test(`a run whose code could not be read gives its place back, on ${backend.name}`, async (t) => {
    const { db, hub } = await backend.open()
    let failures = 2
    const programs = {
      locate: async () => ({ version: 1, projectId: null }),
      async load() {
        if (failures-- > 0) throw new Error('the database is away')
        return async () => 'done'
      },
    }
    const engine = await startTestEngine({ db, hub, programs, liveMax: 1 })
    t.after(() => engine.stop(0))
    assert.equal((await engine.result('any')).output, 'done')
    assert.equal((await engine.result('any')).output, 'done')
  })
}

const oneAtATime: QueueRules = {
  ...noRules,
  entrant: ({ id, tenantId }) => ({ id, tenantId, weight: 1, limits: { concurrency: 1 }, keyLimits: {} }),
  isFree: () => false,
  mostOf: () => 1,
}

for (const backend of BACKENDS.filter(({ name }) => name.includes('Redis'))) {
  test(`who has lost a run to another does not give back the place by which the other carries it, on ${backend.name}`, async (t) => {
    const { db, hub } = await backend.open()
    const gates = [Promise.withResolvers<number>(), Promise.withResolvers<number>()] as const
    const begun: string[] = []
    const work: WorkflowFunction = (ctx, name) =>
      ctx.step('work', () => gates[begun.push(name as string) - 1]?.promise ?? Promise.resolve(0))
    const common = { db, hub, workflows: { work }, rules: oneAtATime, leaseMs: 600_000 }
    // Its only place is taken: what it loses another carries.
    const frozen = await startTestEngine({ ...common, liveMax: 1 })
    t.after(() => frozen.stop(0))
    await frozen.run('work', 'first')
    await until('the first to be carried', () => begun.length === 1)
    await frozen.run('work', 'next')
    const other = await startTestEngine({ ...common, tenantId: frozen.tenantId })
    t.after(() => other.stop(0))
    await other.engine.takeOver([frozen.workerId])
    await until('the first to be carried by the other', () => begun.length === 2)
    gates[0].resolve(1)
    await until('the loss to be noticed', () => frozen.engine.stats.live === 0)
    await new Promise((resolve) => setTimeout(resolve, 500))
    assert.deepEqual(begun, ['first', 'first'])
    gates[1].resolve(2)
    await until('the next to be carried', () => begun.length === 3)
    assert.equal(begun[2], 'next')
  })
}
