/** One child process under supervision: its output goes to a file, and when it ends unasked it is started again. */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, writeSync } from 'node:fs'

export interface ChildOptions {
  readonly name: string
  readonly command: readonly [string, ...string[]]
  /** The whole environment. */
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  /** Appended to. */
  readonly logFile: string
  readonly user?: { readonly uid: number; readonly gid: number } | undefined
  /** Starts it again so long after an end that nobody asked for; undefined: never. */
  readonly restartAfterMs?: number
  readonly onEnd?: (why: string, wasAsked: boolean) => void
}

export interface Life {
  readonly pid: number
  readonly fromMs: number
  /** Undefined as long as it lasts. */
  endMs: number | undefined
}

export interface Child {
  readonly name: string
  readonly pid: number | undefined
  readonly isRunning: boolean
  /** All processes that it has been, the present one last. */
  readonly lives: readonly Life[]
  readonly logFile: string
  /** Starts the process and supervises it from now on; it is not ready yet. */
  start(): void
  /** Harmless once it has ended. */
  signal(signal: NodeJS.Signals): void
  /** Ends it for good; after `graceMs` with SIGKILL. */
  stop(signal?: NodeJS.Signals, graceMs?: number): Promise<void>
}

const isAlive = (child: ChildProcess | undefined): child is ChildProcess =>
  child?.pid !== undefined && child.exitCode === null && child.signalCode === null

const living = new Set<ChildProcess>()

/** Should this process end early, it takes its children with it. */
const endWithProcess = (child: ChildProcess): void => {
  if (living.size === 0) process.once('exit', killLiving)
  living.add(child)
  child.once('exit', () => {
    living.delete(child)
    if (living.size === 0) process.off('exit', killLiving)
  })
}

const killLiving = (): void => {
  for (const child of living) child.kill('SIGKILL')
}

export const makeChild = (options: ChildOptions): Child => {
  const { name, command, env, cwd, logFile, user, restartAfterMs, onEnd = () => {} } = options
  const lives: Life[] = []
  let child: ChildProcess | undefined
  let isWanted = false
  let restart: NodeJS.Timeout | undefined

  const launch = (): void => {
    const log = openSync(logFile, 'a')
    const [file, ...args] = command
    // A group of its own: Ctrl-C reaches the starter alone, which stops all in order.
    const started = spawn(file, args, { ...user, env, cwd, detached: true, stdio: ['ignore', log, log] })
    child = started
    const life: Life = { pid: started.pid ?? 0, fromMs: Date.now(), endMs: undefined }
    lives.push(life)
    writeSync(log, `== ${new Date().toISOString()} ${name} started as process ${started.pid}\n`)
    closeSync(log)
    endWithProcess(started)
    const end = (why: string): void => {
      if (child !== started) return
      child = undefined
      life.endMs = Date.now()
      note(why)
      onEnd(why, !isWanted)
      if (isWanted && restartAfterMs !== undefined) restart = setTimeout(launch, restartAfterMs)
    }
    started.once('exit', (code, signal) => end(signal ? `ended by ${signal}` : `ended with status ${code}`))
    started.once('error', (error) => end(`cannot be run: ${error.message}`))
  }

  const note = (text: string): void => {
    const log = openSync(logFile, 'a')
    writeSync(log, `== ${new Date().toISOString()} ${name} ${text}\n`)
    closeSync(log)
  }

  return {
    name,
    logFile,
    lives,
    get pid() {
      return child?.pid
    },
    get isRunning() {
      return isAlive(child)
    },
    start() {
      isWanted = true
      if (!child) launch()
    },
    signal: (signal) => void (isAlive(child) && child.kill(signal)),
    async stop(signal = 'SIGTERM', graceMs = 10_000) {
      isWanted = false
      clearTimeout(restart)
      const ending = child
      if (!isAlive(ending)) return
      const gone = new Promise((resolve) => ending.once('exit', resolve))
      // A frozen process would hear nothing.
      ending.kill('SIGCONT')
      ending.kill(signal)
      const impatience = setTimeout(() => ending.kill('SIGKILL'), graceMs)
      await gone
      clearTimeout(impatience)
    },
  }
}
