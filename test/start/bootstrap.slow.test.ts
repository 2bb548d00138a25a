/** `aidos bootstrap`, as a job of a cluster runs it. */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { databaseSettings, type Settings, startAidos } from '../support/aidos-process.ts'
import { makeGate } from '../support/gate.ts'
import { makeTempFolder } from '../support/temp-folder.ts'

const run = async (t: TestContext, args: readonly string[], settings: Settings) => {
  const aidos = await startAidos(t, args, settings)
  const { code } = await aidos.exited
  return { code, output: aidos.output() }
}
const bootstrap = (t: TestContext, settings: Settings) => run(t, ['bootstrap'], settings)

const mayReadKeys = async (t: TestContext, settings: Settings, key: string): Promise<void> => {
  const aidos = await startAidos(t, ['start'], settings)
  await aidos.waitFor('AIDOS runs')
  assert.doesNotMatch(aidos.output(), /aidos_[0-9a-f]/)
  const answer = await fetch(`${aidos.url}/v1/keys`, { headers: { authorization: `Bearer ${key}` } })
  assert.equal(answer.status, 200)
}

test('bootstrap makes tables, tenant and key, shows the key once, and does nothing when done again', async (t) => {
  const settings = await databaseSettings(t)
  const together = await Promise.all([bootstrap(t, settings), bootstrap(t, settings)])
  assert.deepEqual(
    together.map(({ code }) => code),
    [0, 0],
    together.map(({ output }) => output).join('\n'),
  )
  const keys = together.flatMap(({ output }) => /owner key {2}(aidos_\S+)/.exec(output)?.[1] ?? [])
  assert.equal(keys.length, 1)
  const again = await bootstrap(t, settings)
  assert.equal(again.code, 0)
  assert.match(again.output, /the tables were there[\s\S]*there is an owner key already/)
  assert.doesNotMatch(again.output, /aidos_[0-9a-f]/)
  await mayReadKeys(t, settings, keys[0]!)
})

test('bootstrap and start take a key from a file, and another one when that changes', async (t) => {
  const settings = await databaseSettings(t)
  const file = path.join(await makeTempFolder(t), 'key')
  const made = await Promise.all([run(t, ['bootstrap', '--new-key'], {}), run(t, ['bootstrap', '--new-key'], {})])
  const [first, second] = made.map(({ output }) => output.trim()) as [string, string]
  const given = { ...settings, AIDOS_OWNER_KEY_FILE: file }
  await writeFile(file, `${first}\n`)
  const once = await bootstrap(t, given)
  assert.match(once.output, /the given owner key counts from now on/)
  assert.equal(once.output.includes(first), false)
  assert.match((await bootstrap(t, given)).output, /there is an owner key already/)
  await mayReadKeys(t, settings, first)
  await writeFile(file, second)
  await mayReadKeys(t, given, second)
})

test('bootstrap names what is wrong with a given key, and shows nothing of it', async (t) => {
  const settings = await databaseSettings(t)
  const { code, output } = await bootstrap(t, { ...settings, AIDOS_OWNER_KEY: 'planted-secret' })
  assert.equal(code, 1)
  assert.match(output, /AIDOS_OWNER_KEY has no key of AIDOS in it/)
  assert.doesNotMatch(output, /planted-secret/)
})

test('bootstrap waits some seconds for the database, and no longer', async (t) => {
  const settings = await databaseSettings(t)
  const gate = await makeGate({ host: '127.0.0.1', port: Number(settings.DB_PORT) }, t)
  const away = { ...settings, DB_PORT: String(gate.port) }
  const { code, output } = await run(t, ['bootstrap', '--wait', '1'], away)
  assert.equal(code, 1)
  assert.match(output, /PostgreSQL at 127\.0\.0\.1:\d+, database .* cannot be reached: .*ECONNREFUSED/)
  const waiting = await startAidos(t, ['bootstrap'], away)
  await waiting.waitFor('waiting for PostgreSQL')
  await gate.open()
  assert.equal((await waiting.exited).code, 0, waiting.output())
})
