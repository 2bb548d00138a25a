/** Starts a program for a test, reads what it prints, and makes sure that it is gone when the test ends. */
import { spawn } from 'node:child_process'
import type { Cleanup } from './cleanup.ts'
import { PATIENCE_MS } from './until.ts'

export interface StartOptions {
  /** Arguments for Node 24, or for `command` where one is given. */
  readonly args: readonly string[]
  readonly command?: string
  readonly cwd?: string
  /** Added to this process's environment; `undefined` takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>
}

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface StartedProcess {
  readonly pid: number
  /** Resolves once the process has ended and all its output has been read. */
  readonly exited: Promise<Exit>
  /** All it has printed so far, both streams in the order they came. */
  output(): string
  /** Resolves with the match as soon as the output holds it; fails, showing the output, at the deadline or the end. */
  waitFor(pattern: string | RegExp, timeoutMs?: number): Promise<RegExpExecArray>
  /** Sends the signal to this one process; harmless once it has ended. */
  kill(signal: NodeJS.Signals): void
}

/** Resolves once the process runs. It is killed, if need be, when the test ends. */
export const startProcess = async (t: Cleanup, options: StartOptions): Promise<StartedProcess> => {
  const command = options.command ?? process.execPath
  // NODE_TEST_CONTEXT tells a child that it is a test file of this run, and makes a nested runner do nothing.
  const env = { ...process.env, NODE_TEST_CONTEXT: undefined, ...options.env }
  const child = spawn(command, options.args, { cwd: options.cwd, env, stdio: ['ignore', 'pipe', 'pipe'] })
  const line = [command, ...options.args].join(' ')
  const watchers = new Set<() => void>()
  let text = ''
  let exit: Exit | undefined

  const read = (chunk: string): void => {
    text += chunk
    for (const look of watchers) look()
  }
  child.stdout.setEncoding('utf8').on('data', read)
  child.stderr.setEncoding('utf8').on('data', read)
  const exited = new Promise<Exit>((resolve) => {
    child.once('close', (code, signal) => {
      exit = { code, signal }
      for (const look of watchers) look()
      resolve(exit)
    })
  })
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve)
    child.once('error', (error) => reject(new Error(`cannot start ${line}`, { cause: error })))
  })
  const kill = (signal: NodeJS.Signals): void => void child.kill(signal)
  t.after(async () => {
    kill('SIGKILL')
    // A grandchild may hold the pipes open: the process itself being gone is enough here.
    child.stdout.destroy()
    child.stderr.destroy()
    await exited
  })

  return {
    pid: child.pid!,
    exited,
    output: () => text,
    kill,
    waitFor(pattern, timeoutMs = PATIENCE_MS) {
      const regex =
        typeof pattern === 'string' ? new RegExp(RegExp.escape(pattern)) : new RegExp(pattern, stripped(pattern))
      return new Promise((resolve, reject) => {
        const settle = (act: () => void): void => {
          clearTimeout(timer)
          watchers.delete(look)
          act()
        }
        const fail = (why: string): void =>
          settle(() => reject(new Error(`${line}\n${why} before it printed ${pattern}. Its output:\n${text}`)))
        const look = (): void => {
          const match = regex.exec(text)
          if (match) settle(() => resolve(match))
          else if (exit) fail(`ended (code ${exit.code}, signal ${exit.signal})`)
        }
        const timer = setTimeout(() => fail(`had ${timeoutMs} ms and they passed`), timeoutMs)
        watchers.add(look)
        look()
      })
    },
  }
}

/** A global or sticky pattern remembers where it stopped; every look here is at the whole output. */
const stripped = (pattern: RegExp): string => pattern.flags.replace(/[gy]/g, '')
