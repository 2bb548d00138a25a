import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import path from 'node:path'
import { describe, test } from 'node:test'
import { makeTempFolder } from '../../test/support/temp-folder.ts'
import { runCli } from './testing.ts'

const env = { LOG_LEVEL: 'silent', SHUTDOWN_GRACE_MS: '0' }

describe('aidos start says what to change', () => {
  test('when the port is taken', async (t) => {
    const other = createServer()
    t.after(() => other.close())
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const { port } = other.address() as AddressInfo
    const dataDir = path.join(await makeTempFolder(t), 'data')
    const { status, stderr } = await runCli(['start', '--port', String(port), '--data-dir', dataDir], { env })
    assert.equal(status, 1)
    assert.match(stderr, new RegExp(`port ${port} of 127\\.0\\.0\\.1 is taken.*--port`))
  })

  test('when the data folder cannot be made', async (t) => {
    const file = path.join(await makeTempFolder(t), 'file')
    writeFileSync(file, '')
    const { status, stderr } = await runCli(['start', '--port', '0', '--data-dir', file], { env })
    assert.equal(status, 1)
    assert.match(stderr, /the data folder \S+ cannot be made.*--data-dir or AIDOS_DATA_DIR/)
  })

  test('when there is nothing to load', async (t) => {
    const folder = await makeTempFolder(t)
    const stop = new AbortController()
    const { stdout } = await runCli(
      ['start', '--port', '0', '--data-dir', path.join(folder, '.aidos'), '--load', folder],
      {
        env,
        stop: stop.signal,
        onOutput: (text) => text.includes('AIDOS runs') && stop.abort(),
      },
    )
    assert.match(stdout, /nothing to load in /)
  })

  test('when a setting of a file is bad, or the file is not there; the environment wins over it', async (t) => {
    const folder = await makeTempFolder(t)
    const file = path.join(folder, '.env')
    writeFileSync(file, 'PORT=high\n')
    assert.match((await runCli(['start', '--env-file', file], { env })).stderr, /PORT is "high"/)
    writeFileSync(file, 'PORT=high\nQUEUE_CONCURRENCY=many\n')
    const won = await runCli(['start', '--env-file', file], { env: { ...env, PORT: '0' } })
    assert.match(won.stderr, /QUEUE_CONCURRENCY is "many"/)
    assert.doesNotMatch(won.stderr, /PORT/)
    const none = await runCli(['doctor', '--env-file', path.join(folder, 'none')], { env })
    assert.match(none.stderr, /--env-file \S+ cannot be read/)
  })

  test('when the script of the stand-in is not there, at once', async (t) => {
    const script = path.join(await makeTempFolder(t), 'none.yaml')
    const { status, stderr } = await runCli(['start', '--stand-in', script], { env })
    assert.equal(status, 1)
    assert.match(stderr, /did not start: ENOENT/)
  })
})
