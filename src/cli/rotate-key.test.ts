import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { makeTempFolder } from '../../test/support/temp-folder.ts'
import { makeSecretKeys } from '../platform/secret-keys.ts'
import { main } from './main.ts'

const KEY = Buffer.alloc(32, 7).toString('base64')
const idOf = (line: string): string => makeSecretKeys(() => [Buffer.from(line, 'base64')], Date.now).all()[0]!.id

/** A server that is asked to rotate: `answers` says under which key it seals, and how much it finds each time. */
const setUp = async (t: TestContext, sealsUnder: (fileLines: string[]) => string, found: number[]) => {
  const file = path.join(await makeTempFolder(t), 'secret.key')
  writeFileSync(file, `${KEY}\n`)
  const lines = (): string[] => readFileSync(file, 'utf8').trim().split('\n')
  const calls: { atMs: number; keys: number }[] = []
  const server = createServer((_, response) => {
    calls.push({ atMs: performance.now(), keys: lines().length })
    const part = { keyId: idOf(sealsUnder(lines())), resealed: { secrets: found.shift() ?? 0 }, isDone: true }
    response.setHeader('content-type', 'application/json').end(JSON.stringify(part))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const out: string[] = []
  const errors: string[] = []
  const status = await main(
    ['secrets', 'rotate', '--new-key', '--key-file', file, '--url', url, '--key', 'k', '--json'],
    {
      env: {},
      stdin: (async function* () {})(),
      stdout: { write: (text) => out.push(text) },
      stderr: { write: (text) => errors.push(text) },
      exit() {},
      stopSignal: () => new AbortController().signal,
    },
  )
  return { status, stdout: out.join(''), stderr: errors.join(''), calls, lines }
}

test('aidos secrets rotate --new-key looks again before it takes the old key out: something was just being sealed under it', async (t) => {
  const { status, stdout, stderr, calls, lines } = await setUp(t, ([first]) => first!, [3, 1])
  assert.equal(status, 0, stderr)
  assert.deepEqual(
    calls.map(({ keys }) => keys),
    [2, 2],
  )
  // Processes read the file once a second.
  assert.ok(calls[1]!.atMs - calls[0]!.atMs >= 1500)
  assert.deepEqual(JSON.parse(stdout).resealed, { secrets: 4 })
  assert.equal(lines().length, 1)
})

test('aidos secrets rotate --new-key takes no key out of a file that the server does not read', async (t) => {
  const { status, stderr, lines } = await setUp(t, () => Buffer.alloc(32, 9).toString('base64'), [])
  assert.notEqual(status, 0)
  assert.match(stderr, /does not read/)
  assert.ok(lines().includes(KEY))
})
