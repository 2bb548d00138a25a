/** Runs give the places back that they were born with. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BACKENDS } from '../../test/support/backends.ts'
import { startTestEngine } from '../../test/support/engine.ts'

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
