import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startProcess } from './start-process.ts'

const script = (code: string) => ({ args: ['--eval', code] })
const forever = `setInterval(() => {}, 1000);`

test('startProcess() runs the Node of the test and waits for a line', async (t) => {
  const child = await startProcess(t, script(`${forever} console.error(process.version); console.log('port 4242')`))
  assert.equal((await child.waitFor(/port (\d+)/g))[1], '4242')
  await child.waitFor(process.version)
  child.kill('SIGTERM')
  assert.deepEqual(await child.exited, { code: null, signal: 'SIGTERM' })
})

test('startProcess() shows the output when the line never comes', async (t) => {
  const child = await startProcess(t, script(`console.log('no luck'); process.exitCode = 3`))
  await assert.rejects(child.waitFor('ready'), /ended \(code 3, signal null\) before it printed ready[\s\S]*no luck/)
  const silent = await startProcess(t, script(forever))
  await assert.rejects(silent.waitFor('ready', 50), /had 50 ms and they passed/)
})

test('startProcess() sets and takes away variables of the environment', async (t) => {
  const env = { AIDOS_A: 'a', PATH: undefined }
  const child = await startProcess(t, { ...script('console.log(process.env.AIDOS_A, process.env.PATH)'), env })
  await child.waitFor('a undefined')
})

test('startProcess() fails when the program does not exist', async (t) => {
  await assert.rejects(startProcess(t, { command: '/nowhere/program', args: [] }), /cannot start \/nowhere\/program/)
})

test('startProcess() leaves no process behind when the test ends', async (t) => {
  let pid = 0
  await t.test('starts one that ignores SIGTERM', async (inner) => {
    const child = await startProcess(inner, script(`process.on('SIGTERM', () => {}); ${forever} console.log('up')`))
    await child.waitFor('up')
    pid = child.pid
  })
  assert.notEqual(pid, 0)
  assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' })
})
