/** Gives a test a PostgreSQL database of its own in the server that `npm test` has started. */
import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { type Cleanup, wholeFile } from './cleanup.ts'

/** The administrator's URL of the run's server. */
const serverUrl = (): string => {
  const url = process.env.AIDOS_TEST_POSTGRES_URL
  if (url) return url
  throw new Error(
    'AIDOS_TEST_POSTGRES_URL is not set: this test needs a PostgreSQL server. Run it by "npm test -- <file>", which ' +
      'starts one, or set the variable to the URL of a user who may create databases.',
  )
}

const onServer = async (url: string, sql: string): Promise<void> => {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}

export interface TestDatabase {
  readonly url: string
  /** Ends the connections that are left and removes the database. */
  drop(): Promise<void>
}

/** Makes an empty database (UTF8, C collation, so that order is by code point as in SQLite). The caller drops it. */
export const makeTestDatabase = async (): Promise<TestDatabase> => {
  const server = serverUrl()
  const name = `test_${randomUUID().replaceAll('-', '')}`
  // template0: nobody can be connected to it, so files that run at the same time do not get into each other's way.
  await onServer(server, `create database ${name} template template0 encoding 'UTF8' locale 'C'`)
  const url = new URL(server)
  url.pathname = `/${name}`
  return { url: url.href, drop: () => onServer(server, `drop database if exists ${name} with (force)`) }
}

/** The URL of a fresh database, which is dropped when the test ends, or the file where no test is given. */
export const makeTestDatabaseUrl = async (t: Cleanup = wholeFile): Promise<string> => {
  const database = await makeTestDatabase()
  t.after(() => database.drop())
  return database.url
}
