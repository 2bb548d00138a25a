/**
 * `npm test`: starts the servers that the tests need (PostgreSQL, Redis) for the whole run, and hands the test files to
 * Node's test runner.
 *
 *     npm test                          all of src and test
 *     npm test -- src/engine cron       those in a folder, or with the word in their path
 *     npm test -- --watch src/engine    flags go to "node --test"
 *     npm test -- --slow                those named *.slow.test.ts, which take long and stand still most of it
 *     npm test -- --uneven src/engine   on a machine that stumbles (support/uneven.ts), to find what leans on luck
 */
import { spawn } from 'node:child_process'
import { availableParallelism, constants } from 'node:os'
import path from 'node:path'
import { findTests } from './support/find-tests.ts'
import { startRunServers } from './support/run-servers.ts'
import { unevenEnv } from './support/uneven.ts'

const root = path.resolve(import.meta.dirname, '..')
const support = path.join(import.meta.dirname, 'support')
const testTimeoutMs = 60_000
const runTimeoutMs = 30 * 60_000

const args = process.argv.slice(2)
const isSlow = args.includes('--slow')
const isUneven = args.includes('--uneven')
const flags = args.filter((arg) => arg.startsWith('-') && arg !== '--slow' && arg !== '--uneven')
const words = args.filter((arg) => !arg.startsWith('-'))

const main = async (): Promise<number> => {
  const { files, unknown } = findTests(root, words, isSlow)
  if (unknown.length > 0 || files.length === 0) {
    console.error(`no test file found${unknown.length > 0 ? ` for ${unknown.map((w) => `"${w}"`).join(', ')}` : ''}`)
    return 1
  }
  // A signal ends the runner, which ends the files' processes; the servers are stopped after them.
  let stopped: NodeJS.Signals | undefined
  let endRunner = (_signal: NodeJS.Signals): void => {}
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      stopped ??= signal
      endRunner(signal)
    })
  }
  const servers = await startRunServers(files)
  try {
    if (stopped) return 128 + constants.signals[stopped]
    const runner = spawn(process.execPath, [...runnerFlags(), ...flags, ...files], {
      cwd: root,
      stdio: 'inherit',
      env: { ...process.env, ...servers.env, ...unevenEnv(isUneven ? 1 : 0) },
    })
    const ended = new Promise<number>((resolve, reject) => {
      runner.once('error', reject)
      runner.once('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal!]))
    })
    endRunner = (signal) => void runner.kill(signal)
    const limit = setTimeout(() => {
      console.error(`the tests were still running after ${runTimeoutMs} ms: stopped`)
      endRunner('SIGTERM')
    }, runTimeoutMs)
    if (flags.includes('--watch')) clearTimeout(limit)
    const status = await ended
    clearTimeout(limit)
    return stopped ? 128 + constants.signals[stopped] : status
  } finally {
    await servers.stop()
  }
}

/** Ours come first, so that a flag given by the caller overrides them. */
const runnerFlags = (): string[] => {
  const ours = [
    '--import',
    path.join(support, 'file-deadline.ts'),
    '--test',
    // Most tests wait for a server rather than compute: more of them at a time than there are cores.
    `--test-concurrency=${availableParallelism() + 1}`,
    `--test-timeout=${testTimeoutMs}`,
  ]
  const ownReporter = flags.some((flag) => flag.startsWith('--test-reporter'))
  return ownReporter ? ours : [...ours, `--test-reporter=${path.join(support, 'reporter.ts')}`]
}

process.exitCode = await main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  return 1
})
