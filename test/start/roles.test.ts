/** What a process tells of itself, by its roles; and who makes the owner's key. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type AidosProcess, databaseSettings, redisSettings, startAidos } from '../support/aidos-process.ts'
import { startRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'

const runs = (aidos: AidosProcess): Promise<unknown> => aidos.waitFor('AIDOS runs')

test('only gateways make the first key, and exactly one of those that start together, also after other roles', async (t) => {
  const redis = await startRedis()
  t.after(() => redis.stop())
  const settings = { ...(await databaseSettings(t)), ...redisSettings(redis.url) }
  const start = (roles: string) => startAidos(t, ['start'], { ...settings, AIDOS_ROLES: roles })
  const executor = await start('executor')
  await runs(executor)
  assert.doesNotMatch(executor.output(), /aidos_|\/docs|^key|credentials|another terminal/m)
  assert.match(
    executor.output(),
    new RegExp(`AIDOS runs as executor .*${executor.url}/readyz .*${executor.url}/metrics`),
  )
  const gateways = await Promise.all(Array.from({ length: 3 }, () => start('gateway')))
  await Promise.all(gateways.map(runs))
  const keys = gateways.flatMap((gateway) => /^key {2}(aidos_\S+)/m.exec(gateway.output())?.[1] ?? [])
  assert.equal(keys.length, 1)
  for (const gateway of gateways) {
    assert.match(gateway.output(), new RegExp(`AIDOS runs at ${gateway.url} .*${gateway.url}/docs`))
    const answer = await fetch(`${gateway.url}/v1/keys`, { headers: { authorization: `Bearer ${keys[0]}` } })
    assert.equal(answer.status, 200)
  }
  await until('the executor to be ready', async () => (await executor.ask('/readyz'))?.status === 200)
})
