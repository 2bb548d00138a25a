/** What models cost a tenant, and what happens to a run under way when that is used up: through the whole app. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeModelStandIn } from '../../src/agents/stand-in/stand-in.ts'
import { until } from '../support/until.ts'
import { WHOLE_APPS } from '../support/whole-apps.ts'

for (const database of WHOLE_APPS) {
  test(`models on ${database.name}: each has its price, and a run ends where the quota does`, async (t) => {
    const clock = { toolCalls: [{ name: 'core__now', input: {} }] }
    const standIn = await makeModelStandIn({
      script: {
        rules: [{ when: { turn: 1 }, reply: clock }, { when: { turn: 2 }, reply: clock }, { reply: { text: 'x' } }],
      },
    })
    t.after(() => standIn.stop())
    const { call, app } = await database.start({
      ...{ MODEL_BASE_URL: standIn.url, MODEL_NAME: 'unused', MODEL_API_KEY: 'k' },
      ...{ MODEL_INPUT_PRICE: '1000000', MODEL_OUTPUT_PRICE: '1000000', MODEL_PRICES: 'dear-*=1000000000/1000000000' },
    })
    const ended = async (name: string) => {
      const started = await call('POST', '/v1/runs', { agent: name, input: 'now' })
      assert.equal(started.status, 201, JSON.stringify(started.body))
      return until('the end of the run', async () => {
        const { body } = await call('GET', `/v1/runs/${started.body.id}`)
        return ['completed', 'failed'].includes(body.status) ? body : undefined
      })
    }
    for (const [name, model] of [
      ['cheap', { name: 'plain' }],
      ['dear', { name: 'dear-1' }],
    ] as const) {
      const config = { instructions: 'Tell the time.', skills: ['core'], model }
      const made = await call('POST', '/v1/agents', { name, config })
      assert.equal(made.status, 201, JSON.stringify(made.body))
      await call('POST', `/v1/agents/${name}/activate`, {})
    }
    const used = async () => (await call('GET', '/v1/limits')).body.today as { tokens: number; cost: number }

    assert.equal((await ended('cheap')).status, 'completed')
    const cheap = await used()
    assert.deepEqual([cheap.tokens > 0, cheap.cost], [true, cheap.tokens])
    assert.equal(standIn.calls().total, 3)

    // Its first call of the dear model alone costs more than is left.
    const limited = await call('PATCH', `/v1/tenants/${app.tenantId}/limits`, { costPerDay: cheap.cost + 1 })
    assert.equal(limited.status, 200, JSON.stringify(limited.body))
    const failed = await ended('dear')
    assert.deepEqual([failed.status, failed.error.code], ['failed', 'quota_exceeded'])
    assert.match(failed.error.message, /daily quota of cost is used up/)
    assert.equal(standIn.calls().total, 4)
    const after = await used()
    assert.equal(after.cost - cheap.cost, 1000 * (after.tokens - cheap.tokens))
    assert.equal((await call('POST', '/v1/runs', { agent: 'cheap', input: 'now' })).body.code, 'quota_exceeded')
  })
}
