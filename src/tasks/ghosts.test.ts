import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BACKENDS } from '../../test/support/backends.ts'
import { startTestEngine } from '../../test/support/engine.ts'
import { until } from '../../test/support/until.ts'
import { makeFakeClock } from '../platform/clock.ts'
import type { Json } from '../platform/json.ts'
import { noRules, type QueueRules } from '../platform/queue/rules.ts'
import type { TaskHandler } from './index.ts'
import { cancelTask } from './rows.ts'

for (const database of BACKENDS) {
  test(`an attempt whose task ended elsewhere gives its place back, though nobody said so, on ${database.name}`, async (t) => {
    const { db } = await database.open()
    const clock = makeFakeClock(Date.now())
    const abandoned: string[] = []
    const engine = await startTestEngine({
      db,
      clock,
      workflows: {},
      handlers: {
        endless: (_input, { taskId, signal }) =>
          new Promise<Json>(() => signal.addEventListener('abort', () => abandoned.push(taskId))),
      },
    })
    const base = { tenantId: engine.tenantId, projectId: null, kind: 'endless', input: null, priority: 3 } as const
    const { task } = await engine.tasks.create(base)
    const other = await engine.tasks.create(base)
    t.after(async () => {
      await engine.tasks.cancel(engine.tenantId, other.task.id)
      await engine.stop()
    })
    await until('both attempts', () => engine.tasks.active === 2)
    await db.commit({ writes: [cancelTask(task.id, { code: 'elsewhere', message: 'ended' }, clock.now())] })
    await until('the place to be free', () => {
      clock.advance(500)
      return engine.tasks.active === 1
    })
    assert.deepEqual(abandoned, [task.id])
    assert.equal((await engine.tasks.find(engine.tenantId, other.task.id)).status, 'running')
  })
}

const oneAtATime: QueueRules = {
  ...noRules,
  entrant: ({ id, tenantId }) => ({ id, tenantId, weight: 1, limits: { concurrency: 1 }, keyLimits: {} }),
  isFree: () => false,
  mostOf: () => 1,
}

for (const database of BACKENDS.filter(({ name }) => name.includes('Redis'))) {
  test(`an attempt that goes on in vain does not give back the place of the one that took its task over, on ${database.name}`, async (t) => {
    const { db } = await database.open()
    const clock = makeFakeClock(Date.now())
    const gate = Promise.withResolvers<Json>()
    const begun: string[] = []
    const work: TaskHandler = (_input, { taskId }) => {
      begun.push(taskId)
      return begun.length === 1 ? new Promise(() => {}) : gate.promise
    }
    const common = { db, handlers: { work }, rules: oneAtATime, leaseMs: 600_000 }
    // Its only place is taken: what it loses another does.
    const frozen = await startTestEngine({ ...common, clock, concurrency: 1 })
    t.after(() => frozen.stop(0))
    const { tenantId } = frozen
    const base = { tenantId, projectId: null, kind: 'work', input: null, priority: 3 } as const
    const { task: first } = await frozen.tasks.create(base)
    await until('the first attempt', () => begun.length === 1)
    const { task: next } = await frozen.tasks.create(base)
    const other = await startTestEngine({ ...common, tenantId })
    t.after(() => other.stop(0))
    await other.tasks.takeOver([frozen.workerId])
    await until('the second attempt', () => begun.length === 2)
    await until('the first to be called off', () => {
      clock.advance(500)
      return frozen.tasks.active === 0
    })
    await new Promise((resolve) => setTimeout(resolve, 500))
    assert.deepEqual(begun, [first.id, first.id])
    gate.resolve('done')
    await until('the next to be begun', () => begun.length === 3)
    assert.equal(begun[2], next.id)
  })
}
