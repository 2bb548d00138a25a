/** A process that is started before its servers, or with settings that no waiting would mend. */
import assert from 'node:assert/strict'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { type AidosProcess, databaseSettings, redisSettings, startAidos } from '../support/aidos-process.ts'
import { type Gate, makeGate } from '../support/gate.ts'
import { startRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'

const SECRET = 'planted-password'
const SLOW_CODE = path.join(import.meta.dirname, 'code/slow')

const isReady = async (aidos: AidosProcess): Promise<boolean> => (await aidos.ask('/readyz'))?.status === 200

const linesWith = (aidos: AidosProcess, words: string): string[] =>
  aidos
    .output()
    .split('\n')
    .filter((line) => line.includes(words))

const postgresGate = async (t: TestContext) => {
  const settings = await databaseSettings(t)
  const gate: Gate = await makeGate({ host: '127.0.0.1', port: Number(settings.DB_PORT) }, t)
  return { gate, settings: { ...settings, DB_PORT: String(gate.port) }, password: settings.DB_PASSWORD as string }
}

test('a process that starts while PostgreSQL and Redis are away waits for both, says so, and goes on by itself', async (t) => {
  const redis = await startRedis({ password: SECRET })
  t.after(() => redis.stop())
  const { gate, settings, password } = await postgresGate(t)
  const redisGate = await makeGate({ host: redis.host, port: redis.port }, t)
  const aidos = await startAidos(t, ['start'], {
    ...settings,
    ...redisSettings(`redis://127.0.0.1:${redisGate.port}`),
    REDIS_PASSWORD: SECRET,
  })
  const reasonIs = (reason: RegExp) => async () => reason.test((await aidos.ask('/readyz'))?.text ?? '')
  await until('it to wait for PostgreSQL', reasonIs(/waiting for PostgreSQL.*ECONNREFUSED/))
  assert.equal((await aidos.ask('/healthz'))?.status, 200)
  assert.equal((await aidos.ask('/readyz'))?.status, 503)
  assert.equal((await aidos.ask('/v1/runs'))?.status, 503)
  await gate.open()
  await until('it to wait for Redis', reasonIs(/waiting for Redis/))
  await redisGate.open()
  await until('it to be ready', () => isReady(aidos))
  assert.equal(linesWith(aidos, `waiting for PostgreSQL at 127.0.0.1:${gate.port}`).length, 1, aidos.output())
  assert.equal(linesWith(aidos, `waiting for Redis at 127.0.0.1:${redisGate.port}`).length, 1, aidos.output())
  for (const secret of [password, SECRET]) assert.equal(aidos.output().includes(secret), false)
  aidos.kill('SIGTERM')
  assert.deepEqual(await aidos.exited, { code: 0, signal: null })
})

test('a process whose server goes away in the middle of its start starts anew', async (t) => {
  const { gate, settings } = await postgresGate(t)
  await gate.open()
  const aidos = await startAidos(t, ['start', '--load', SLOW_CODE], settings)
  // The tables are there by then, and the rest is not.
  await aidos.waitFor('the slow code is being read')
  await gate.shut()
  await aidos.waitFor('starting anew')
  await until('it to answer meanwhile', async () => (await aidos.ask('/healthz'))?.status === 200)
  await gate.open()
  await until('it to be ready', () => isReady(aidos))
})

test('SIGTERM ends the wait, with status 0', async (t) => {
  const { settings } = await postgresGate(t)
  const aidos = await startAidos(t, ['start'], settings)
  await aidos.waitFor('waiting for PostgreSQL')
  aidos.kill('SIGTERM')
  assert.deepEqual(await aidos.exited, { code: 0, signal: null })
  assert.match(aidos.output(), /stopped before it was ready/)
})

test('what no waiting would mend ends the start with status 1, and is named', async (t) => {
  const settings = await databaseSettings(t)
  const redis = await startRedis({ password: SECRET })
  t.after(() => redis.stop())
  const ends = async (wrong: Record<string, string>, said: RegExp): Promise<void> => {
    const aidos = await startAidos(t, ['start'], { ...settings, ...wrong })
    assert.deepEqual(await aidos.exited, { code: 1, signal: null }, aidos.output())
    assert.match(aidos.output(), said)
    assert.doesNotMatch(aidos.output(), /waiting for|wrong-password/)
  }
  await Promise.all([
    ends({ DB_PASSWORD: 'wrong-password' }, /PostgreSQL at .*password authentication failed/),
    ends({ DB_NAME: 'nowhere' }, /PostgreSQL at .*database "nowhere" does not exist/),
  ])
  await Promise.all([
    ends({ ...redisSettings(redis.url), REDIS_PASSWORD: 'wrong-password' }, /Redis at .*WRONGPASS/),
    ends({ ...redisSettings(redis.url) }, /Redis at .*NOAUTH/),
    ends(
      { REDIS_MODE: 'cluster', REDIS_CLUSTER_NODES: `127.0.0.1:${redis.port}`, REDIS_PASSWORD: SECRET },
      /Redis at .*cluster support disabled/,
    ),
  ])
})

test('a server that takes the connection and says nothing, whatever it is, is waited for and named', async (t) => {
  const settings = await databaseSettings(t)
  const redis = await startRedis({ password: SECRET })
  t.after(() => redis.stop())
  // Redis waits for the end of a line that PostgreSQL's protocol does not have.
  const aidos = await startAidos(t, ['start'], { ...settings, DB_PORT: String(redis.port) })
  await aidos.waitFor(`waiting for PostgreSQL at 127.0.0.1:${redis.port}`)
  assert.match(aidos.output(), /connected, but no answer of PostgreSQL within 5000 ms/)
})
