/** A whole AIDOS in this process, over a temporary folder and a free port, with a small client for its API. */
import { type App, startApp } from '../../src/app.ts'
import { type Environment, readConfig } from '../../src/config.ts'
import type { Json } from '../../src/platform/json.ts'
import { type Cleanup, wholeFile } from './cleanup.ts'
import { makeTempFolder } from './temp-folder.ts'

export interface Answer {
  readonly status: number
  readonly headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: tests read answers of every form.
  readonly body: any
}

export interface TestApp {
  readonly app: App
  readonly dataDir: string
  /** With the owner's key, unless `key` names another (null: none). A string body is sent as it is. */
  call(method: string, path: string, body?: Json | string, key?: string | null): Promise<Answer>
}

export interface TestAppOptions {
  readonly env?: Environment
  readonly load?: readonly string[]
  readonly dataDir?: string
}

export const startTestApp = async (options: TestAppOptions = {}, t: Cleanup = wholeFile): Promise<TestApp> => {
  const dataDir = options.dataDir ?? (await makeTempFolder(t))
  const env = { PORT: '0', AIDOS_DATA_DIR: dataDir, LOG_LEVEL: 'silent', SHUTDOWN_GRACE_MS: '2000', ...options.env }
  const app = await startApp({ config: readConfig(env), load: options.load ?? [] })
  t.after(() => app.stop())
  const call: TestApp['call'] = async (method, path, body, key = app.key ?? null) => {
    const response = await fetch(`${app.url}${path}`, {
      method,
      headers: {
        ...(key === null ? {} : { authorization: `Bearer ${key}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const text = await response.text()
    const isJson = response.headers.get('content-type')?.includes('json')
    return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text }
  }
  return { app, dataDir, call }
}
