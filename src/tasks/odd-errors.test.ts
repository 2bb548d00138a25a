import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BACKENDS } from '../../test/support/backends.ts'
import { startTestEngine } from '../../test/support/engine.ts'
import { until } from '../../test/support/until.ts'
import type { WorkflowFunction } from '../engine/index.ts'

const ODD: Readonly<Record<string, () => unknown>> = {
  'an object that is no text': () => Object.create(null),
  'an error whose code is no text': () => Object.assign(new Error('odd'), { code: Object.create(null) }),
  'an error whose code is a symbol': () => Object.assign(new Error('odd'), { code: Symbol('odd') }),
  nothing: () => undefined,
}

const [sqlite] = BACKENDS

for (const [what, make] of Object.entries(ODD)) {
  test(`code that throws ${what} fails as with any error, and its place is free again`, async (t) => {
    const fail = async (): Promise<never> => {
      throw make()
    }
    const workflows: Record<string, WorkflowFunction> = {
      task: (ctx) => ctx.task('fail', null, { retry: { attempts: 1 } }),
      step: (ctx) => ctx.step('fail', fail),
      function: fail,
    }
    const { db } = await (sqlite as (typeof BACKENDS)[0]).open()
    const engine = await startTestEngine({ db, workflows, handlers: { fail } })
    t.after(() => engine.stop(0))
    for (const name of Object.keys(workflows)) {
      assert.equal((await engine.wait((await engine.run(name)).id, 3000)).status, 'failed', name)
    }
    const { task } = await engine.tasks.create({
      ...{ tenantId: engine.tenantId, projectId: null, kind: 'fail', input: null, priority: 3 },
      retry: { attempts: 1 },
    })
    await until('its end', async () => (await engine.tasks.find(engine.tenantId, task.id)).status === 'dead', {
      limitMs: 3000,
    })
    assert.equal(engine.tasks.active, 0)
  })
}
