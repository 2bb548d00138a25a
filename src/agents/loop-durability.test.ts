/** What an agent's run outlives: a model that fails, a crash; and how it ends when it is cancelled. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { callWeather, type LoopSetup, makeLoopTests, outputOf, tellResults } from '../../test/support/agent-loop.ts'
import { DATABASES } from '../../test/support/databases.ts'
import { until } from '../../test/support/until.ts'
import type { Database } from '../platform/db/database.ts'
import { makeSkillTools, tool } from './testing.ts'

const loop = makeLoopTests()

for (const database of DATABASES) {
  const onDatabase = (title: string, body: (db: Database) => Promise<void>): void => {
    test(`agent loop on ${database.name}: ${title}`, async () => body((await database.open()).db))
  }

  onDatabase('a turn is tried again after 429, with the same key, and waits as long as it is told', async (db) => {
    const engine = await loop.begin({
      db,
      script: { rules: [{ reply: { text: 'at last' }, fault: { status: 429, retryAfterS: 1, times: 1 } }] },
    })
    const beganMs = Date.now()
    const run = await engine.result('clerk', 'x')
    assert.equal(outputOf(run).text, 'at last')
    assert.deepEqual(loop.standIn.callsFor(`${run.id}/turn`), { calls: 2, answered: 1 })
    assert.ok(Date.now() - beganMs >= 1000, `took ${Date.now() - beganMs} ms`)
  })

  onDatabase('an answer that breaks off is thrown away and asked for again', async (db) => {
    const engine = await loop.begin({
      db,
      script: { rules: [{ reply: { text: 'the whole answer' }, fault: { breakAfterChunks: 1, times: 1 } }] },
    })
    const run = await engine.result('clerk', 'x')
    assert.deepEqual([outputOf(run).text, outputOf(run).turns], ['the whole answer', 1])
    assert.deepEqual(loop.standIn.callsFor(`${run.id}/turn`), { calls: 2, answered: 1 })
  })

  onDatabase('a model that refuses the request is not asked again', async (db) => {
    const engine = await loop.begin({ db, script: { rules: [{ fault: { status: 401 } }] } })
    const { status, error } = await engine.result('clerk', 'x')
    assert.deepEqual([status, error?.code, loop.standIn.calls().total], ['failed', 'model_denied', 1])
  })

  onDatabase('a cancelled run calls off its tools and asks the model nothing more', async (db) => {
    const started = Promise.withResolvers<void>()
    const aborted = Promise.withResolvers<void>()
    const engine = await loop.begin({
      db,
      script: { rules: [{ reply: { toolCalls: [callWeather('Bonn')] } }] },
      handlers: {
        'skill:weather/now': (_, { signal }) =>
          new Promise((_, reject) => {
            signal.addEventListener('abort', () => {
              aborted.resolve()
              reject(signal.reason)
            })
            started.resolve()
          }),
      },
    })
    const { id } = await engine.run('clerk', 'x')
    await started.promise
    await engine.engine.cancel(engine.tenantId, id)
    const { status, error } = await engine.wait(id)
    assert.deepEqual([status, error?.code], ['cancelled', 'run_cancelled'])
    await aborted.promise
    assert.equal(loop.standIn.calls().total, 1)
  })

  onDatabase('after a crash no journaled turn is asked for again', async (db) => {
    const reached = Promise.withResolvers<void>()
    const release = Promise.withResolvers<void>()
    const setup: LoopSetup = {
      db,
      script: {
        rules: [
          { when: { turn: 1 }, reply: { toolCalls: [callWeather('Bonn'), callWeather('Ulm')] } },
          { when: { turn: 2 }, reply: { toolCalls: [{ name: 'math__add', input: { a: '2', b: '3' } }] } },
          { when: { turn: 3 }, reply: tellResults },
        ],
      },
      handlers: {
        async 'skill:math/add'() {
          reached.resolve()
          await release.promise
          return 5
        },
      },
    }
    const first = await loop.begin(setup)
    const { id } = await first.run('clerk', 'x')
    await reached.promise
    await loop.crash(first)
    release.resolve()
    // The skill has changed meanwhile: what was settled in a journaled turn stays settled.
    const changed = makeSkillTools(tool('weather', 'now', 'town'), tool('math', 'add', 'a', 'b'))
    const second = await loop.beginAgain({ ...setup, skills: changed }, first)
    const output = outputOf(await second.wait(id))
    assert.deepEqual(JSON.parse(output.text), [{ sky: 'grey over Bonn' }, { sky: 'grey over Ulm' }, 5])
    for (const key of ['turn', 'turn#2', 'turn#3'])
      assert.deepEqual(loop.standIn.callsFor(`${id}/${key}`), { calls: 1, answered: 1 }, key)
    assert.deepEqual([output.turns, loop.standIn.calls().total], [3, 3])
  })

  onDatabase('a crash within a turn asks again under the same key', async (db) => {
    const setup: LoopSetup = {
      db,
      script: { rules: [{ reply: { text: 'hello' }, fault: { slowMs: 300, times: 1 } }] },
    }
    const first = await loop.begin(setup)
    const { id } = await first.run('clerk', 'x')
    await until('the call', () => loop.standIn.calls().total === 1)
    await loop.crash(first)
    const second = await loop.beginAgain(setup, first)
    assert.equal(outputOf(await second.wait(id)).text, 'hello')
    assert.equal(loop.standIn.callsFor(`${id}/turn`).calls, 2)
  })
}
