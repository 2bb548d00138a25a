/** Runs that change hands in the moment in which somebody ends or continues them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BACKENDS } from '../../test/support/backends.ts'
import { startTestEngine } from '../../test/support/engine.ts'
import { until } from '../../test/support/until.ts'
import type { Database } from '../platform/db/database.ts'
import type { WorkflowFunction } from './index.ts'
import { requeueRun } from './rows.ts'

for (const database of BACKENDS) {
  test(`a run that changes hands while it is cancelled for good is cancelled, on ${database.name}`, async (t) => {
    const { db: real } = await database.open()
    let moved = 0
    const db: Database = {
      ...real,
      async commit(unit) {
        const end = unit.events?.find(({ type }) => type === 'run.cancelled')
        if (end && moved++ === 0) await real.commit({ writes: [requeueRun(end.runId as string)] })
        return real.commit(unit)
      },
    }
    const workflows: Record<string, WorkflowFunction> = {
      w: (ctx) => ctx.signal('never').catch(() => ctx.signal('never either')),
    }
    const engine = await startTestEngine({ db, workflows })
    t.after(() => engine.stop())
    const { id } = await engine.run('w')
    await until('the run to wait', async () => (await engine.engine.runs.byId(id))?.status === 'waiting')
    await engine.engine.cancel(engine.tenantId, id)
    const run = await engine.engine.cancel(engine.tenantId, id)
    assert.deepEqual([run.status, (await engine.engine.runs.byId(id))?.status, moved], ['cancelled', 'cancelled', 2])
    await assert.rejects(engine.engine.cancel(engine.tenantId, id), { code: 'run_finished' })
  })
}
