/** AIDOS as its users run it: `aidos start` in a process of its own, which can be killed and started again over the same data. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export interface ServerOptions {
  readonly port: number
  readonly dataDir: string
  /** Folders of code. */
  readonly load: readonly string[]
  /** Settings besides those; nothing else is taken from this process's environment. */
  readonly env?: Readonly<Record<string, string>>
  readonly nodeOptions?: readonly string[]
}

export interface Server {
  readonly pid: number
  readonly url: string
  /** The owner's key; read it when the server is ready. */
  key(): Promise<string>
  /** Resolves at the first 200 of `/readyz`; rejects, showing what it printed, when the process ends before. */
  ready(): Promise<void>
  /** Resolves when the process is gone. */
  kill(signal: NodeJS.Signals): Promise<void>
}

const BIN = fileURLToPath(new URL('../../bin/aidos.js', import.meta.url))
const LOOK_EVERY_MS = 5
/** Measured and harmed is the server as fast as it goes. */
const NO_RATES = { RATE_LIMIT_TENANT_PER_MINUTE: '0', RATE_LIMIT_KEY_PER_MINUTE: '0', CONCURRENT_REQUESTS_TENANT: '0' }

/** Starts the process; it is not ready yet. */
export const startServer = ({ port, dataDir, load, env = {}, nodeOptions = [] }: ServerOptions): Server => {
  const url = `http://127.0.0.1:${port}`
  const args = [...nodeOptions, BIN, 'start', ...load.flatMap((folder) => ['--load', folder])]
  const { PATH, HOME, TMPDIR } = process.env
  const child: ChildProcess = spawn(process.execPath, args, {
    env: { PATH, HOME, TMPDIR, LOG_LEVEL: 'warn', ...NO_RATES, ...env, AIDOS_DATA_DIR: dataDir, PORT: String(port) },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  let isGone = false
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-10_000)
    })
  }
  const gone = new Promise<void>((resolve) => {
    const end = (): void => {
      isGone = true
      resolve()
    }
    child.once('exit', end)
    child.once('error', end)
  })

  const isReady = async (): Promise<boolean> => {
    try {
      return (await fetch(`${url}/readyz`)).status === 200
    } catch {
      return false
    }
  }

  return {
    pid: child.pid as number,
    url,
    async key() {
      const { key } = JSON.parse(await readFile(join(dataDir, 'credentials.json'), 'utf8')) as { key: string }
      return key
    },
    async ready() {
      while (!(await isReady())) {
        if (isGone) throw new Error(`the server ended before it was ready. It printed:\n${output}`)
        await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
      }
    },
    async kill(signal) {
      child.kill(signal)
      await gone
    },
  }
}
