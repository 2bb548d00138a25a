import assert from 'node:assert/strict'
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { type StartedProcess, startProcess } from './start-process.ts'
import { makeTempFolder } from './temp-folder.ts'

const runner = path.resolve(import.meta.dirname, '../run.ts')

/** Writes test files and starts the project's test command on them. */
const startRun = async (
  t: TestContext,
  files: Record<string, string>,
  env: Record<string, string | undefined> = {},
): Promise<StartedProcess> => {
  const folder = await makeTempFolder(t)
  const written = Object.entries(files).map(([name, body]) => {
    writeFileSync(path.join(folder, name), `import { test } from 'node:test'\n${body}`)
    return path.join(folder, name)
  })
  return startProcess(t, { args: [runner, ...written], env })
}

test('the test command ends with the totals and with success when all pass', async (t) => {
  const run = await startRun(t, { 'good.test.ts': `test('a', () => {}); test('b', (t) => t.skip('why'))` })
  assert.deepEqual(await run.exited, { code: 0, signal: null })
  assert.match(run.output(), /✔ .*good\.test\.ts \(2 tests, 1 skipped/)
  assert.match(run.output(), /^# tests 2\n# suites 0\n# pass 1\n# fail 0\n/m)
})

test('the test command shows a failure in full and fails', async (t) => {
  const run = await startRun(t, {
    'bad.test.ts': `console.log('a clue'); test('sum', () => { throw new Error('two') })`,
  })
  assert.equal((await run.exited).code, 1)
  assert.match(run.output(), /✖ sum \(.*bad\.test\.ts:2\)\n\s+Error: two[\s\S]*a clue[\s\S]*^# fail 1$/m)
  const again = run.output().split('\nfailed:\n')[1]!
  assert.match(again, /✖ .*bad\.test\.ts: sum .*\n\s+Error: two/)
})

test('the test command says what failed after a test was over', async (t) => {
  const run = await startRun(t, {
    'late.test.ts': `test('a', () => { setTimeout(() => { throw new Error('too late') }, 20) })`,
  })
  assert.equal((await run.exited).code, 1)
  assert.match(run.output().split('\nfailed:\n')[1]!, /late\.test\.ts, its output:\n.*Test "a" .*too late/)
})

test('the test command counts the tests of a shared suite for the file that ran it', async (t) => {
  const place = await makeTempFolder(t)
  const suite = path.join(place, 'suite.ts')
  writeFileSync(suite, `import { test } from 'node:test'\nexport const suite = () => test('shared', () => { throw 1 })`)
  const run = await startRun(t, { 'a.test.ts': `import { suite } from ${JSON.stringify(suite)}; suite(); test.name` })
  assert.equal((await run.exited).code, 1)
  assert.match(run.output(), /✖ .*a\.test\.ts \(1 tests.*\n {2}✖ shared \(.*suite\.ts:2\)/)
})

test('the test command fails on a file that holds no test', async (t) => {
  const run = await startRun(t, { 'empty.test.ts': 'test.name' })
  assert.equal((await run.exited).code, 1)
  assert.match(run.output(), /holds no test/)
})

test('the test command fails when its words name no test', async (t) => {
  const run = await startProcess(t, { args: [runner, 'no-such-test-anywhere'] })
  assert.equal((await run.exited).code, 1)
  assert.match(run.output(), /no test file found for "no-such-test-anywhere"/)
})

test('the test command ends a file that stays alive after its tests', async (t) => {
  const files = { 'stuck.test.ts': `test('a', () => {}); setInterval(() => {}, 1000)` }
  const run = await startRun(t, files, { AIDOS_TEST_FILE_TIMEOUT_MS: '700' })
  assert.equal((await run.exited).code, 1)
  assert.match(run.output(), /still alive after 700 ms/)
})

test('the test command starts PostgreSQL of its own and takes it away when it is stopped by a signal', async (t) => {
  const place = await makeTempFolder(t)
  // Where root runs the tests the server runs as another user, who has to get in here.
  chmodSync(place, 0o755)
  const note = path.join(place, 'url')
  const body = `import fs from 'node:fs'
    fs.writeFileSync(${JSON.stringify(note)}, process.env.AIDOS_TEST_POSTGRES_URL)
    test('waits', () => new Promise(() => setInterval(() => {}, 1000)))`
  const run = await startRun(t, { 'long.test.ts': body }, { AIDOS_TEST_POSTGRES_URL: undefined, TMPDIR: place })
  while (!existsSync(note)) assert.equal(await Promise.race([sleep(50), run.exited]), undefined, run.output())
  const url = readFileSync(note, 'utf8')
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  assert.equal((await client.query('show fsync')).rows[0].fsync, 'off')
  await client.end()
  run.kill('SIGTERM')
  assert.deepEqual(await run.exited, { code: 143, signal: null })
  assert.deepEqual(readdirSync(place), ['url'])
  await assert.rejects(new pg.Client({ connectionString: url }).connect(), { code: 'ECONNREFUSED' })
})

test('the test command says why PostgreSQL cannot start, and what to do', async (t) => {
  const place = path.join(await makeTempFolder(t), 'missing')
  const run = await startRun(t, { 'a.test.ts': '' }, { AIDOS_TEST_POSTGRES_URL: undefined, TMPDIR: place })
  assert.equal((await run.exited).code, 1)
  assert.match(run.output(), /cannot start: .*ENOENT[\s\S]*AIDOS_TEST_POSTGRES_URL/)
})
