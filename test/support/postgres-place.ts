/** Where a PostgreSQL database is, taken from its URL, in the forms that AIDOS is told it in. */
import { randomBytes } from 'node:crypto'

export interface PostgresPlace {
  readonly host: string
  readonly port: number
  readonly database: string
  readonly user: string
  readonly password: string
}

export const placeOf = (databaseUrl: string): PostgresPlace => {
  const url = new URL(databaseUrl)
  return {
    host: url.hostname,
    port: Number(url.port),
    database: url.pathname.slice(1),
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
  }
}

/** The environment of processes over it; with it they must share the key of their secrets, too. */
export const environmentOf = (databaseUrl: string): Record<string, string> => {
  const { host, port, database, user, password } = placeOf(databaseUrl)
  return {
    ...{ DB_CLIENT: 'pg', DB_HOST: host, DB_PORT: String(port), DB_NAME: database },
    ...{ DB_USER: user, DB_PASSWORD: password },
    AIDOS_SECRET_KEY: randomBytes(32).toString('base64'),
  }
}
