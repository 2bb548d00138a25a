import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BACKENDS } from '../../test/support/backends.ts'
import { startTestEngine } from '../../test/support/engine.ts'
import { until } from '../../test/support/until.ts'
import { makeFakeClock } from '../platform/clock.ts'
import type { Json } from '../platform/json.ts'
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
