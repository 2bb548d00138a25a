import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { DATABASES, type TestDatabase } from '../../test/support/databases.ts'
import { startTestEngine } from '../../test/support/engine.ts'
import { until } from '../../test/support/until.ts'
import { makeFakeClock } from '../platform/clock.ts'
import { makeEngineTargets } from './targets.ts'
import { makeTestSchedules } from './testing.ts'

const HOUR = 3_600_000

for (const kind of DATABASES) {
  describe(`schedules over the engine on ${kind.name}`, () => {
    let database: TestDatabase
    before(async () => {
      database = await kind.open()
    })

    test('start runs and tasks, learn of their ends by events, and call them off', async () => {
      const house = await startTestEngine({
        db: database.db,
        workflows: {
          greet: async (_, input) => ({ got: input }),
          wait: async (ctx) => ctx.signal('never'),
          fail: async () => {
            throw new Error('no')
          },
        },
        handlers: { ring: async (input) => input },
      })
      const { tenantId, engine, tasks } = house
      const clock = makeFakeClock()
      const targets = makeEngineTargets({ engine, tasks, now: Date.now })
      const schedules = makeTestSchedules({ ...database, clock, targets })
      const add = (name: string, target: { workflow: string } | { task: string }, more: object = {}) =>
        schedules.create(tenantId, null, { name, target, timing: { every: '1 hour' }, input: { name }, ...more })
      await add('greet', { workflow: 'greet' })
      await add('ring', { task: 'ring' })
      await add('fail', { workflow: 'fail' })
      await add('absent', { workflow: 'absent' })
      await add('wait', { workflow: 'wait' }, { overlap: 'cancel-previous' })
      await schedules.start()
      const statuses = async (name: string) =>
        (await schedules.fires(tenantId, name, { limit: 10 })).map(({ status }) => status).reverse()

      clock.advance(HOUR)
      await schedules.sweep()
      await until('greet to be completed', async () => (await statuses('greet'))[0] === 'completed')
      await until('ring to be completed', async () => (await statuses('ring'))[0] === 'completed')
      await until('fail to be failed', async () => (await statuses('fail'))[0] === 'failed')
      await until('absent to be failed', async () => (await statuses('absent'))[0] === 'failed')
      const [greeted] = await schedules.fires(tenantId, 'greet', { limit: 1 })
      assert.deepEqual((await engine.runs.find(tenantId, greeted?.ref?.id ?? ''))?.output, { got: { name: 'greet' } })
      const [rung] = await schedules.fires(tenantId, 'ring', { limit: 1 })
      assert.deepEqual((await tasks.find(tenantId, rung?.ref?.id ?? '')).output, { name: 'ring' })
      await until('wait to be started', async () => (await statuses('wait'))[0] === 'started')

      clock.advance(HOUR)
      await schedules.sweep()
      await until(
        'wait to be called off and started anew',
        async () => (await statuses('wait')).join() === 'cancelled,started',
      )
      const [second, first] = await schedules.fires(tenantId, 'wait', { limit: 2 })
      assert.equal((await engine.runs.find(tenantId, first?.ref?.id ?? ''))?.status, 'cancelled')
      const ref = second?.ref
      assert.ok(ref)
      assert.equal(await targets.stateOf(tenantId, ref), 'open')
      await targets.cancel(tenantId, ref)
      await until('wait to be cancelled', async () => (await statuses('wait')).at(-1) === 'cancelled')
      // Asked again after its end, it does no harm.
      await targets.cancel(tenantId, ref)
      schedules.stop()
      await house.stop()
    })
  })
}
