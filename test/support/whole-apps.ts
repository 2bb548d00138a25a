/** A whole AIDOS over each database, for suites that ask its API on both. */
import { randomBytes } from 'node:crypto'
import { startTestApp, type TestApp } from './app.ts'
import { makeTestDatabaseUrl } from './postgres.ts'

const postgresEnvironment = async (): Promise<Record<string, string>> => {
  const url = new URL(await makeTestDatabaseUrl())
  return {
    ...{ DB_CLIENT: 'pg', DB_HOST: url.hostname, DB_PORT: url.port, DB_NAME: url.pathname.slice(1) },
    ...{ DB_USER: decodeURIComponent(url.username), DB_PASSWORD: decodeURIComponent(url.password) },
    ...{ DB_POOL_MIN: '0', DB_POOL_MAX: '5', AIDOS_SECRET_KEY: randomBytes(32).toString('base64') },
  }
}

export interface WholeApp {
  readonly name: 'SQLite' | 'PostgreSQL'
  start(env?: Record<string, string>): Promise<TestApp>
}

export const WHOLE_APPS: readonly WholeApp[] = [
  { name: 'SQLite', start: (env = {}) => startTestApp({ env }) },
  {
    name: 'PostgreSQL',
    start: async (env = {}) => startTestApp({ env: { ...env, ...(await postgresEnvironment()) } }),
  },
]
