/** Runs throw-away Redis servers: on loopback, on free ports, in folders of their own, stopped by whoever started them. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdtemp, readFile, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { Redis, type RedisOptions } from 'ioredis'
import { freePort } from './free-port.ts'
import { until } from './until.ts'

const run = promisify(execFile)

/** How a process is started, where the usual way does not do. */
export interface Launch {
  /** Stands before the command, and ends up as it: `['setpriv', '--pdeathsig', 'KILL']`. */
  readonly prefix?: readonly string[]
  /** In a process group of its own: a Ctrl-C in the terminal does not reach it. */
  readonly detached?: boolean
  /** Told all that it prints; `port` tells servers apart. */
  readonly onOutput?: (port: number, chunk: string) => void
}

export interface RedisServerOptions {
  readonly launch?: Launch
  readonly password?: string
  /** Serves TLS only, with a certificate signed by itself. */
  readonly tls?: boolean
  /** More settings, or others than the usual ones: `{ appendonly: 'no' }`. */
  readonly settings?: Readonly<Record<string, string>>
}

export interface RedisServer {
  readonly host: string
  readonly port: number
  readonly url: string
  readonly password: string | undefined
  /** The certificate as a PEM file, when it serves TLS. */
  readonly caFile: string | undefined
  readonly isRunning: boolean
  /** Sends one command over a connection of its own. */
  command(name: string, ...args: (string | number)[]): Promise<unknown>
  /** Ends the process at once; what it has on disk stays. */
  kill(): Promise<void>
  /** Starts it again after `kill()`, on the same port and with the same data. */
  start(): Promise<void>
  /** Stops the process from answering without closing a connection, and lets it go on. */
  freeze(): void
  thaw(): void
  /** Ends it and removes its folder. */
  stop(): Promise<void>
}

const HOST = '127.0.0.1'

/** As in production where that matters, and quick where it does not. */
const usual = {
  bind: HOST,
  appendonly: 'yes',
  'maxmemory-policy': 'noeviction',
  save: '',
  'repl-diskless-sync-delay': '0',
}

/** Removed by `stop()`, not by the end of a test. */
export const makeFolder = async (): Promise<string> => mkdtemp(path.join(await realpath(tmpdir()), 'aidos-redis-'))

const makeCertificate = async (folder: string): Promise<{ cert: string; key: string }> => {
  const cert = path.join(folder, 'cert.pem')
  const key = path.join(folder, 'key.pem')
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost']
  await run('openssl', ['req', ...kind, '-keyout', key, '-out', cert, ...names])
  return { cert, key }
}

/** Resolves with nothing once the server takes connections, or with its last words if it ends instead. */
const untilReady = (server: ChildProcess, onOutput: (chunk: string) => void): Promise<string | undefined> =>
  new Promise((resolve) => {
    let output = ''
    const read = (chunk: string): void => {
      onOutput(chunk)
      if (output.length < 100_000) output += chunk
      if (/Ready to accept connections|\+monitor/.test(output)) resolve(undefined)
    }
    server.stdout?.setEncoding('utf8').on('data', read)
    server.stderr?.setEncoding('utf8').on('data', read)
    server.once('error', (error) => resolve(`redis-server cannot be run: ${error.message}`))
    server.once('close', (code, signal) => resolve(`redis-server ended (code ${code}, signal ${signal}):\n${output}`))
  })

const children = new Set<ChildProcess>()

/** A test process that ends early takes its servers with it. */
const endWithProcess = (child: ChildProcess): void => {
  if (children.size === 0) {
    process.once('exit', () => {
      for (const each of children) each.kill('SIGKILL')
    })
  }
  children.add(child)
}

/** A server process, with what starts it again. `argsOf` is asked for the arguments at a port. */
export const startProcess = async (
  argsOf: (port: number, folder: string) => string[],
  folder: string,
  { prefix = [], detached = false, onOutput = () => {} }: Launch = {},
): Promise<Pick<RedisServer, 'port' | 'isRunning' | 'kill' | 'start' | 'freeze' | 'thaw' | 'stop'>> => {
  let child: ChildProcess | undefined
  const launch = async (port: number): Promise<string | undefined> => {
    const [command, ...args] = [...prefix, 'redis-server', ...argsOf(port, folder)] as [string, ...string[]]
    child = spawn(command, args, { cwd: folder, detached, stdio: ['ignore', 'pipe', 'pipe'] })
    endWithProcess(child)
    return untilReady(child, (chunk) => onOutput(port, chunk))
  }
  const kill = async (): Promise<void> => {
    if (!child || child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
    const gone = new Promise((resolve) => child?.once('exit', resolve))
    child.kill('SIGKILL')
    await gone
  }
  let port = 0
  for (let tries = 1; ; tries++) {
    port = await freePort()
    const refusal = await launch(port)
    if (refusal === undefined) break
    // Between finding the port and listening on it another process may have taken it.
    if (tries === 10 || !/bind|Address already in use/.test(refusal)) {
      await rm(folder, { recursive: true, force: true })
      throw new Error(
        `${refusal}\nWhat to do: install redis-server 7 or later (Debian, Ubuntu: "apt-get install redis-server").`,
      )
    }
  }
  return {
    port,
    get isRunning() {
      return child?.exitCode === null && child.signalCode === null
    },
    kill,
    async start() {
      const refusal = await launch(port)
      if (refusal !== undefined) throw new Error(refusal)
    },
    freeze: () => void child?.kill('SIGSTOP'),
    thaw: () => void child?.kill('SIGCONT'),
    async stop() {
      await kill()
      await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 })
    },
  }
}

/** Starts one server: it keeps everything, on disk too, unless `settings` say otherwise. */
export const startRedis = async ({
  password,
  tls,
  settings,
  launch,
}: RedisServerOptions = {}): Promise<RedisServer> => {
  const folder = await makeFolder()
  const pem = tls ? await makeCertificate(folder) : undefined
  const secret = password ? { requirepass: password, masterauth: password } : {}
  const all = { ...usual, ...secret, ...settings }
  const argsOf = (port: number): string[] => {
    const ports = pem
      ? { port: 0, 'tls-port': port, 'tls-cert-file': pem.cert, 'tls-key-file': pem.key, 'tls-ca-cert-file': pem.cert }
      : { port }
    const flags = Object.entries({ ...ports, ...(pem ? { 'tls-auth-clients': 'no' } : {}), ...all, dir: folder })
    return flags.flatMap(([name, value]) => [`--${name}`, String(value)])
  }
  const server = await startProcess(argsOf, folder, launch)
  const ca = pem ? await readFile(pem.cert) : undefined
  const credentials = password ? `:${encodeURIComponent(password)}@` : ''
  return {
    get isRunning() {
      return server.isRunning
    },
    kill: server.kill,
    start: server.start,
    freeze: server.freeze,
    thaw: server.thaw,
    stop: server.stop,
    port: server.port,
    host: HOST,
    url: `redis${tls ? 's' : ''}://${credentials}${HOST}:${server.port}`,
    password,
    caFile: pem?.cert,
    command: (name: string, ...args: (string | number)[]) =>
      command(
        { host: HOST, port: server.port, ...(password ? { password } : {}), ...(ca ? { tls: { ca } } : {}) },
        name,
        args,
      ),
  }
}

/** One command over a connection of its own; rejects when that takes longer than two seconds. */
export const command = async (
  where: RedisOptions,
  name: string,
  args: readonly (string | number)[],
): Promise<unknown> => {
  const bounds = { commandTimeout: 2000, connectTimeout: 2000 }
  const client = new Redis({ ...where, ...bounds, lazyConnect: true, retryStrategy: null, enableReadyCheck: false })
  client.on('error', () => {})
  try {
    await client.connect()
    return await client.call(name, ...args)
  } finally {
    client.disconnect()
  }
}

/** `until()` for what a server says that is on its way: a refusal is a "not yet". */
export const eventually = async (what: string, condition: () => Promise<boolean>): Promise<void> => {
  await until(what, () => condition().catch(() => false), { everyMs: 25 })
}
