/** What the tests of the command line share: commands with captured streams, and a real server for them to talk to. */
import { type App, startApp } from '../app.ts'
import { readConfig } from '../config.ts'
import { main } from './main.ts'

export interface CliResult {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

export interface CliOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly stdin?: string
  readonly stop?: AbortSignal
  /** Told of all that was written so far, at each write. */
  readonly onOutput?: (stdout: string) => unknown
  readonly isTTY?: boolean
  readonly columns?: number
}

export const runCli = async (argv: readonly string[], options: CliOptions = {}): Promise<CliResult> => {
  const {
    env = {},
    stdin = '',
    stop = new AbortController().signal,
    onOutput = () => {},
    isTTY = false,
    columns = 100,
  } = options
  let stdout = ''
  let stderr = ''
  const status = await main(argv, {
    env,
    stdout: {
      isTTY,
      columns,
      rows: 40,
      write(text) {
        stdout += text
        onOutput(stdout)
      },
    },
    stderr: {
      write(text) {
        stderr += text
      },
    },
    stdin: Object.assign(
      (async function* () {
        yield stdin
      })(),
      { isTTY },
    ),
    stopSignal: () => stop,
    exit: () => {},
  })
  return { status, stdout, stderr }
}

export interface TestApp extends App {
  /** Runs a command that finds this server by its credentials file. */
  cli(argv: readonly string[], options?: CliOptions): Promise<CliResult>
}

export const startTestApp = async (
  dataDir: string,
  load: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<TestApp> => {
  const settings = { AIDOS_DATA_DIR: dataDir, PORT: '0', LOG_LEVEL: 'silent', SHUTDOWN_GRACE_MS: '0' }
  const app = await startApp({ config: readConfig({ ...settings, ...env }), load })
  return {
    ...app,
    cli: (argv, options = {}) => runCli(argv, { ...options, env: { AIDOS_DATA_DIR: dataDir, ...options.env } }),
  }
}
