/** A process that slept past its lease: others have its work, and whoever supervises it is to start it anew. */
import assert from 'node:assert/strict'
import path from 'node:path'
import { test } from 'node:test'
import { type AidosProcess, databaseSettings, redisSettings, startAidos } from '../support/aidos-process.ts'
import { startRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'

const CODE = path.join(import.meta.dirname, 'code/stubborn')

const ready = (aidos: AidosProcess): Promise<true> =>
  until('it to be ready', async () => (await aidos.ask('/readyz'))?.status === 200)

test('a process whose lease was lost calls off its work, commits nothing and ends with status 1 at once', async (t) => {
  const redis = await startRedis()
  t.after(() => redis.stop())
  const settings = {
    ...{ ...(await databaseSettings(t)), ...redisSettings(redis.url) },
    // Long enough to tell "at once" from all that a stop may wait for, on any machine; the task goes on for as long.
    ...{ LEASE_MS: '3000', SHUTDOWN_GRACE_MS: '60000', DRAIN_MS: '60000' },
  }
  const start = () => startAidos(t, ['start', '--load', CODE], settings)
  const sleeper = await start()
  const [, key] = await sleeper.waitFor(/^key {2}(aidos_\S+)/m)
  await ready(sleeper)
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
  const body = JSON.stringify({ kind: 'stubborn' })
  const made = await fetch(`${sleeper.url}/v1/tasks`, { method: 'POST', headers, body })
  assert.equal(made.status, 201)
  const { id } = (await made.json()) as { id: string }
  await sleeper.waitFor('the stubborn task begins')
  const other = await start()
  await ready(other)

  sleeper.kill('SIGSTOP')
  await other.waitFor('the stubborn task begins')
  sleeper.kill('SIGCONT')
  await sleeper.waitFor('others took over its work')
  const began = Date.now()
  assert.deepEqual(await sleeper.exited, { code: 1, signal: null })
  assert.ok(Date.now() - began < 20_000, `it took ${Date.now() - began} ms`)
  assert.match(sleeper.output(), /the stubborn task is called off/)
  const task = (await (await fetch(`${other.url}/v1/tasks/${id}`, { headers })).json()) as Record<string, unknown>
  assert.equal(task.status, 'running')
})
