/** A whole AIDOS over each database, for suites that ask its API on both. */
import { startTestApp, type TestApp } from './app.ts'
import { makeTestDatabaseUrl } from './postgres.ts'
import { environmentOf } from './postgres-place.ts'

const postgresEnvironment = async (): Promise<Record<string, string>> => ({
  ...environmentOf(await makeTestDatabaseUrl()),
  ...{ DB_POOL_MIN: '0', DB_POOL_MAX: '5' },
})

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
