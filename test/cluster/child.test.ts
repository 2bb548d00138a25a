/** Supervision of one child process. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { type Child, type ChildOptions, makeChild } from '../../cluster/child.ts'
import { makeTempFolder } from '../support/temp-folder.ts'
import { until } from '../support/until.ts'

const WAITS = "console.log('here'); setInterval(() => {}, 1000)"

const start = async (
  t: { after(fn: () => Promise<void>): void },
  code: string,
  more: Partial<ChildOptions> = {},
): Promise<Child> => {
  const folder = await makeTempFolder()
  const child = makeChild({
    ...{ name: 'child', command: [process.execPath, '-e', code], env: { PATH: process.env.PATH } },
    ...{ cwd: folder, logFile: `${folder}/child.log` },
    ...more,
  })
  t.after(() => child.stop('SIGKILL'))
  child.start()
  return child
}

const printed = (child: Child, times: number): Promise<true> =>
  until(
    `the child to print ${times} times`,
    () => existsSync(child.logFile) && readFileSync(child.logFile, 'utf8').split('here').length - 1 >= times,
  )

test('a child that was killed is started again, as another process, and its log goes on', async (t) => {
  const child = await start(t, WAITS, { restartAfterMs: 10 })
  await printed(child, 1)
  const first = child.pid
  child.signal('SIGKILL')
  await printed(child, 2)
  assert.notEqual(child.pid, first)
  assert.deepEqual(
    child.lives.map(({ pid }) => pid),
    [first, child.pid],
  )
  assert.match(readFileSync(child.logFile, 'utf8'), /ended by SIGKILL/)
})

test('a child that was stopped stays away until it is started', async (t) => {
  const child = await start(t, WAITS, { restartAfterMs: 10 })
  await printed(child, 1)
  await child.stop()
  assert.equal(child.isRunning, false)
  assert.equal(child.lives.length, 1)
  child.start()
  await printed(child, 2)
})

test('a child without a restart stays away when it has ended, and whoever asked is told whether that was wanted', async (t) => {
  const ended = Promise.withResolvers<[string, boolean]>()
  const child = await start(t, 'process.exit(3)', {
    restartAfterMs: undefined as never,
    onEnd: (why, asked) => ended.resolve([why, asked]),
  })
  assert.deepEqual(await ended.promise, ['ended with status 3', false])
  assert.equal(child.isRunning, false)
})

test('stop() ends a frozen child, and one that ignores the signal', async (t) => {
  const frozen = await start(t, WAITS)
  await printed(frozen, 1)
  frozen.signal('SIGSTOP')
  await frozen.stop()
  const deaf = await start(t, `process.on('SIGTERM', () => {}); ${WAITS}`)
  await printed(deaf, 1)
  await deaf.stop('SIGTERM', 100)
  assert.equal(frozen.isRunning || deaf.isRunning, false)
})
