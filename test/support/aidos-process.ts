/** `aidos` as an operator runs it, in a process of its own, over a PostgreSQL database of the test's. */
import { randomBytes } from 'node:crypto'
import path from 'node:path'
import { type Cleanup, wholeFile } from './cleanup.ts'
import { freePort } from './free-port.ts'
import { makeTestDatabaseUrl } from './postgres.ts'
import { type StartedProcess, startProcess } from './start-process.ts'
import { makeTempFolder } from './temp-folder.ts'

export type Settings = Readonly<Record<string, string>>

/** What leads to a fresh database. */
export const databaseSettings = async (t: Cleanup = wholeFile): Promise<Settings> => {
  const url = new URL(await makeTestDatabaseUrl(t))
  return {
    ...{ DB_CLIENT: 'pg', DB_HOST: url.hostname, DB_PORT: url.port, DB_NAME: url.pathname.slice(1) },
    ...{ DB_USER: decodeURIComponent(url.username), DB_PASSWORD: decodeURIComponent(url.password) },
    ...{ DB_POOL_MIN: '0', DB_POOL_MAX: '5', AIDOS_SECRET_KEY: randomBytes(32).toString('base64') },
  }
}

/** What leads to the run's Redis, which all tests share: two clusters of AIDOS over it would take each other's work. */
export const redisSettings = (url: string): Settings => ({
  ...{ REDIS_MODE: 'single', REDIS_HOST: new URL(url).hostname, REDIS_PORT: new URL(url).port },
})

export interface AidosProcess extends StartedProcess {
  readonly url: string
  readonly dataDir: string
  /** The status and the body of an answer; undefined where nobody answers. */
  ask(path: string): Promise<{ status: number; text: string } | undefined>
}

const BIN = path.join(import.meta.dirname, '../../bin/aidos.js')

export const startAidos = async (t: Cleanup, args: readonly string[], settings: Settings): Promise<AidosProcess> => {
  const [port, dataDir] = [await freePort(), await makeTempFolder(t)]
  const { PATH, HOME, TMPDIR } = process.env
  const only = Object.fromEntries(Object.keys(process.env).map((name) => [name, undefined]))
  const own = { AIDOS_DATA_DIR: dataDir, PORT: String(port), LOG_LEVEL: 'info' }
  const env = { ...only, PATH, HOME, TMPDIR, ...own, ...settings }
  const started = await startProcess(t, { args: [BIN, ...args], env })
  const url = `http://127.0.0.1:${port}`
  return {
    ...started,
    ...{ url, dataDir },
    async ask(where) {
      try {
        const answer = await fetch(`${url}${where}`)
        return { status: answer.status, text: await answer.text() }
      } catch {
        return undefined
      }
    },
  }
}
