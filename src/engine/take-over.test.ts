/** Taking the runs of dead processes, while the database itself is not well. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { DATABASES } from '../../test/support/databases.ts'
import { startTestEngine } from '../../test/support/engine.ts'
import type { Run, WorkflowFunction } from './types.ts'
import { makeWorkers } from './workers.ts'

for (const kind of DATABASES) {
  describe(`taking over on ${kind.name}`, () => {
    test('takeOver() rejects when a run could not be taken, and takes it when asked again', async (t) => {
      const { db, hub } = await kind.open()
      let isAway = false
      const flaky = {
        ...db,
        commit: (unit: Parameters<typeof db.commit>[0]) =>
          isAway ? Promise.reject(new Error('connection refused')) : db.commit(unit),
      }
      const reached = Promise.withResolvers<void>()
      let lives = 0
      const workflow: WorkflowFunction = (ctx) =>
        ctx.step('work', () => {
          lives++
          reached.resolve()
          return lives === 1 ? new Promise<never>(() => {}) : 'done'
        })
      const survivor = await startTestEngine({ db: flaky, hub, tenantId: 'tenant', workflows: { long: workflow } })
      t.after(() => survivor.stop())
      const victim = await startTestEngine({ db, hub, tenantId: 'tenant', workflows: { long: workflow } })
      const { id } = await victim.run('long')
      await reached.promise
      const held = await victim.engine.runs.find('tenant', id)
      await victim.crash()

      isAway = true
      await assert.rejects(survivor.engine.takeOver([held?.workerId as string]), /connection refused/)
      isAway = false
      await survivor.engine.takeOver([held?.workerId as string])
      const ended = await survivor.wait(id)
      assert.deepEqual([ended.status, ended.output, lives], ['completed', 'done', 2])
    })

    test('dead() names a holder that was forgotten before it took a run', async (t) => {
      const { db, hub } = await kind.open()
      const reached = Promise.withResolvers<void>()
      const workflow: WorkflowFunction = (ctx) =>
        ctx.step('work', () => {
          reached.resolve()
          return new Promise<never>(() => {})
        })
      const victim = await startTestEngine({ db, hub, tenantId: 'tenant', workflows: { long: workflow } })
      t.after(() => victim.stop(0))
      const workers = makeWorkers({ db, id: 'me', roles: [], leaseMs: 60_000, now: Date.now })
      const { id } = await victim.run('long')
      await reached.promise
      const { workerId } = (await victim.engine.runs.find('tenant', id)) as Run
      await workers.forget([workerId as string])
      assert.deepEqual(await workers.dead(), [workerId])
    })
  })
}
