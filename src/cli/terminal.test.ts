import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { before, describe, test } from 'node:test'
import { wholeFile } from '../../test/support/cleanup.ts'
import { makeTempFolder } from '../../test/support/temp-folder.ts'
import { commands } from './commands.ts'
import { runCli, startTestApp, type TestApp } from './testing.ts'

const ENTRY = path.resolve(import.meta.dirname, '../../bin/aidos.js')

let app: TestApp
let asks: string

before(async () => {
  const folder = await makeTempFolder()
  app = await startTestApp(path.join(folder, 'data'))
  wholeFile.after(() => app.stop())
  asks = path.join(folder, 'asks.asl.json')
  const state = { Type: 'Task', Resource: 'signal:approved', TimeoutSeconds: 60, End: true }
  writeFileSync(asks, JSON.stringify({ StartAt: 'Ask', QueryLanguage: 'JSONata', States: { Ask: state } }))
})

describe('a reader that reads no further', () => {
  test('is no fault: the command ends without a word', async () => {
    const child = spawn(process.execPath, [ENTRY, '--help'], { stdio: ['ignore', 'pipe', 'pipe'] })
    child.stdout.destroy()
    let said = ''
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString()
    })
    const [status] = await once(child, 'close')
    assert.deepEqual({ status, said }, { status: 0, said: '' })
  })

  test('ends the watching of a run', async () => {
    const env = { ...process.env, AIDOS_URL: app.url, AIDOS_KEY: app.key }
    const child = spawn(process.execPath, [ENTRY, 'run', asks, '--watch'], { stdio: ['ignore', 'pipe', 'pipe'], env })
    let said = ''
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString()
    })
    await once(child.stdout, 'data')
    child.stdout.destroy()
    const [status] = await once(child, 'close')
    assert.deepEqual({ status, said }, { status: 130, said: '' })
  })
})

describe('breaking off', () => {
  test('a watch leaves the run alone and says how to follow it again', async () => {
    const stop = new AbortController()
    const { status, stdout } = await app.cli(['run', asks, '--watch'], {
      stop: stop.signal,
      onOutput: (text) => text.includes('waits for signal:approved') && stop.abort(),
    })
    assert.equal(status, 130)
    const [, id = ''] = /the run goes on; follow it: aidos run show (\S+) --watch/.exec(stdout) ?? []
    assert.match((await app.cli(['runs', 'show', id])).stdout, /status +waiting/)
  })

  test('a typed secret stores nothing', async () => {
    const { status, stderr } = await app.cli(['secrets', 'set', 'HALF'], { isTTY: true, stdin: 'ab\u0003' })
    assert.equal(status, 2)
    assert.match(stderr, /broken off/)
    assert.doesNotMatch((await app.cli(['secrets'])).stdout, /HALF/)
  })
})

test('a secret is asked for on a terminal, and not shown', async () => {
  const typed = await app.cli(['secrets', 'set', 'TYPED'], { isTTY: true, stdin: 'sesamx\u007fe\rmore' })
  assert.match(typed.stderr, /^value of TYPED \(not shown/)
  assert.match(typed.stdout, /TYPED is stored/)
  assert.doesNotMatch(typed.stdout + typed.stderr, /sesam/)
})

test('an empty secret is refused with the ways to give one', async () => {
  const { stderr } = await app.cli(['secrets', 'set', 'EMPTY'])
  assert.match(stderr, /standard input, or by --file FILE/)
})

test('a signal that the run does not wait for is kept, with advice', async () => {
  const stop = new AbortController()
  const { stdout } = await app.cli(['run', asks, '--watch'], {
    stop: stop.signal,
    onOutput: (text) => text.includes('waits for signal:approved') && stop.abort(),
  })
  const [, id = ''] = /aidos run show (\S+)/.exec(stdout) ?? []
  const wrong = await app.cli(['run', 'signal', id, 'aproved'])
  assert.match(wrong.stdout, /is kept[\s\S]*it waits for another: signal:approved/)
  assert.doesNotMatch((await app.cli(['run', 'signal', id, 'approved'])).stdout, /another/)
})

test('help keeps to the width of the terminal', async () => {
  for (const { name } of commands) {
    const { stdout } = await runCli([name, '--help'], { isTTY: true, columns: 80, env: { NO_COLOR: '1' } })
    const [, about = ''] = /\n\n([\s\S]*?)\nUsage\n/.exec(stdout) ?? []
    const [, options = ''] = /\nOptions\n([\s\S]*?)\n(\n|$)/.exec(stdout) ?? []
    assert.notEqual(options, '')
    const wide = `${about}\n${options}`.split('\n').filter((line) => line.length > 80)
    assert.deepEqual(wide, [], name)
  }
})
