/** One PostgreSQL server as a process: started, stopped fast or at once, frozen, asked, and started again on the same port. */
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { type Child, makeChild } from './child.ts'
import { eventually } from './eventually.ts'

export interface PostgresServer {
  readonly name: string
  readonly port: number
  readonly child: Child
  readonly isRunning: boolean
  /** Resolves when it answers. */
  start(): Promise<void>
  /** `fast` cuts the connections and writes a checkpoint; `immediate` is as good as a crash. */
  stop(mode: 'fast' | 'immediate'): Promise<void>
  /** It answers nothing and closes nothing, as a machine that stands still, until it is thawed. */
  freeze(): Promise<void>
  thaw(): Promise<void>
  /** As the administrator, over a connection of its own. */
  query(text: string, values?: readonly unknown[]): Promise<readonly Record<string, unknown>[]>
}

export interface PostgresServerOptions {
  readonly name: string
  readonly bin: string
  readonly data: string
  readonly port: number
  readonly password: string
  readonly logFile: string
  readonly settings: Readonly<Record<string, string>>
  readonly prefix: readonly string[]
  readonly user: { readonly uid: number; readonly gid: number } | undefined
}

const START_MS = 60_000

export const makePostgresServer = (options: PostgresServerOptions): PostgresServer => {
  const { name, bin, data, port, password, logFile, settings, prefix, user } = options
  const flags = Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`])
  const command = [...prefix, `${bin}/postgres`, '-D', data, '-p', String(port), ...flags] as [string, ...string[]]
  const child = makeChild({ name, command, env: { PATH: process.env.PATH, LC_ALL: 'C' }, cwd: data, logFile, user })

  const query: PostgresServer['query'] = async (text, values = []) => {
    const where = { host: '127.0.0.1', port, user: 'postgres', password, database: 'aidos' }
    const database = text.startsWith('CREATE ') ? 'postgres' : where.database
    const client = new pg.Client({ ...where, database, connectionTimeoutMillis: 5000 })
    client.on('error', () => {})
    await client.connect()
    try {
      const result = await client.query(text, [...values])
      return result.rows as Record<string, unknown>[]
    } finally {
      await client.end().catch(() => {})
    }
  }

  const answers = async (): Promise<boolean> => {
    const client = new pg.Client({ host: '127.0.0.1', port, user: 'postgres', password, database: 'postgres' })
    client.on('error', () => {})
    await client.connect()
    await client.end()
    return true
  }

  /** The server and the processes it has made, one for each connection: each is a session of its own, which no signal reaches at once. */
  const pids = async (): Promise<number[]> => {
    const postmaster = Number((await readFile(join(data, 'postmaster.pid'), 'utf8')).split('\n', 1)[0])
    const { stdout } = await promisify(execFile)('ps', ['-A', '-o', 'pid=,ppid='])
    const all = stdout
      .trim()
      .split('\n')
      .map((line) => line.trim().split(/\s+/).map(Number))
    return [postmaster, ...all.filter(([, parent]) => parent === postmaster).map(([pid]) => pid as number)]
  }
  const signal = (targets: readonly number[], name: 'SIGSTOP' | 'SIGCONT'): void => {
    for (const pid of targets) {
      try {
        process.kill(pid, name)
      } catch (error) {
        // A connection that has ended meanwhile.
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
      }
    }
  }

  return {
    name,
    port,
    child,
    async freeze() {
      const [postmaster] = await pids()
      signal([postmaster as number], 'SIGSTOP')
      // It makes no more of them now.
      signal(await pids(), 'SIGSTOP')
    },
    async thaw() {
      signal(await pids(), 'SIGCONT')
    },
    query,
    get isRunning() {
      return child.isRunning
    },
    async start() {
      child.start()
      const hopeless = (): string | undefined => (child.isRunning ? undefined : `it ended, see ${logFile}`)
      await eventually(answers, { what: `${name} to take connections`, withinMs: START_MS, hopeless })
    },
    stop: (mode) => child.stop(mode === 'fast' ? 'SIGINT' : 'SIGQUIT', 20_000),
  }
}
