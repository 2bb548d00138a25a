/** Waits until PostgreSQL takes this process in; the embedded database is always there. */
import type { Config } from '../config.ts'
import { isOutage } from '../platform/db/errors.ts'
import { type Patience, waitFor } from './wait-for.ts'

export const waitForDatabase = async (config: Config, patience: Patience): Promise<void> => {
  if (config.DB_CLIENT === 'sqlite') return
  const { DB_HOST: host, DB_PORT: port, DB_NAME: database, DB_USER: user, DB_PASSWORD: password } = config
  const { probePostgres } = await import('../platform/db/postgres-probe.ts')
  const wanted = {
    what: 'PostgreSQL',
    where: `${host}:${port}, database "${database}", user "${user}"`,
    attempt: (signal?: AbortSignal) => probePostgres({ host, port, database, user, password }, signal),
    isAway: isOutage,
  }
  await waitFor(wanted, patience)
}
