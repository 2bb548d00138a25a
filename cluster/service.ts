/** One process of one role: `aidos start` with its own port, folder and log, restarted when it ends unasked. */
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import type { Role } from '../src/config.ts'
import { type Child, makeChild } from './child.ts'
import { eventually } from './eventually.ts'
import type { Leash } from './leash.ts'

export interface ServiceState {
  readonly name: string
  readonly role: Role
  readonly pid: number | undefined
  readonly port: number
  readonly isReady: boolean
  /** Times that it was started again. */
  readonly restarts: number
  readonly runsLive: number | undefined
  readonly tasksActive: number | undefined
}

export interface Service {
  readonly name: string
  readonly role: Role
  readonly port: number
  readonly url: string
  readonly dataDir: string
  readonly child: Child
  start(): void
  /** Resolves at the first 200 of `/readyz`; rejects when that takes too long. */
  ready(withinMs?: number): Promise<void>
  isReady(): Promise<boolean>
  state(): Promise<ServiceState>
  stop(): Promise<void>
}

export interface ServiceOptions {
  readonly role: Role
  /** Counts the processes of a role, from 1. */
  readonly index: number
  readonly port: number
  readonly folder: string
  readonly logs: string
  readonly load: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly leash: Leash
  readonly restartAfterMs: number
}

const BIN = path.join(import.meta.dirname, '../bin/aidos.js')
const READY_MS = 120_000
const ANSWER_MS = 2000
/** Starts that fail, until no more are waited for. A server that is away is no failure. */
const MOST_TRIES = 5
const STOP_GRACE_MS = 8000

const ask = (url: string): Promise<Response> => fetch(url, { signal: AbortSignal.timeout(ANSWER_MS) })

const figure = (metrics: string, name: string): number | undefined => {
  const match = new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(metrics)
  return match ? Number(match[1]) : undefined
}

export const makeService = (options: ServiceOptions): Service => {
  const { role, index, port, leash, load, restartAfterMs } = options
  const name = `${role}-${index}`
  const dataDir = path.join(options.folder, 'data', name)
  mkdirSync(dataDir, { recursive: true })
  const { PATH, HOME, TMPDIR } = process.env
  const args = [BIN, 'start', ...load.flatMap((folder) => ['--load', path.resolve(folder)])]
  const child = makeChild({
    name,
    command: [...leash('KILL'), process.execPath, ...args] as [string, ...string[]],
    env: { PATH, HOME, TMPDIR, ...options.env, AIDOS_ROLES: role, AIDOS_DATA_DIR: dataDir, PORT: String(port) },
    cwd: dataDir,
    logFile: path.join(options.logs, `${name}.log`),
    restartAfterMs,
  })
  const url = `http://127.0.0.1:${port}`

  /** Rejects with what the process says of itself. */
  const askReady = async (): Promise<boolean> => {
    const answer = await ask(`${url}/readyz`)
    if (answer.ok) return true
    throw new Error(`it answers ${answer.status} ${await answer.text()}`)
  }

  const isReady = (): Promise<boolean> => (child.isRunning ? askReady().catch(() => false) : Promise.resolve(false))

  return {
    ...{ name, role, port, url, dataDir, child, isReady },
    start: child.start,
    async ready(withinMs = READY_MS) {
      const before = child.lives.length
      const hopeless = (): string | undefined =>
        child.lives.length > before + MOST_TRIES
          ? `it ended ${MOST_TRIES} times and more, see ${child.logFile}`
          : undefined
      await eventually(askReady, { what: `${name} to be ready (see ${child.logFile})`, withinMs, hopeless })
    },
    async state() {
      const metrics = await ask(`${url}/metrics`).then(
        (answer) => answer.text(),
        () => '',
      )
      return {
        ...{ name, role, port, pid: child.pid, isReady: await isReady() },
        restarts: Math.max(0, child.lives.length - 1),
        runsLive: figure(metrics, 'aidos_runs_live'),
        tasksActive: figure(metrics, 'aidos_tasks_active'),
      }
    },
    stop: () => child.stop('SIGTERM', STOP_GRACE_MS),
  }
}
