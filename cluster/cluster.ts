/**
 * A whole cluster on this machine, for people, tests and benchmarks: PostgreSQL with a replica, Redis, some processes of every role
 * as real child processes, nginx before the gateways. All of it on loopback, on free ports, below one folder.
 */
import { randomBytes, randomUUID } from 'node:crypto'
import { chmod, mkdir } from 'node:fs/promises'
import path from 'node:path'
import { ROLES, type Role } from '../src/config.ts'
import { makeKey } from '../src/tenants/index.ts'
import { makeLeash } from './leash.ts'
import { type Nginx, startNginx } from './nginx.ts'
import { makePorts } from './ports.ts'
import { type Postgres, startPostgres } from './postgres.ts'
import { type Redis, type RedisKind, startRedis } from './redis.ts'
import { makeService, type Service } from './service.ts'

export interface ClusterOptions {
  /** An existing folder of the caller's, who removes it; logs, databases and data go there. */
  readonly folder: string
  /** Processes of each role; 2 where none are named. */
  readonly rolesPerService?: number | Readonly<Partial<Record<Role, number>>>
  readonly redis?: RedisKind
  readonly nginx?: boolean
  readonly replica?: boolean
  /** Folders of the user's own code, for every process. */
  readonly load?: readonly string[]
  /** Settings of every process besides those that lead to its servers. */
  readonly env?: Readonly<Record<string, string>>
  /** How long a process stays away that ended unasked. */
  readonly restartAfterMs?: number
  /** Told what is being started. */
  readonly say?: (line: string) => void
}

export interface Cluster {
  /** Of the API: nginx, or the first gateway without it. */
  readonly url: string
  /** The owner's. */
  readonly key: string
  readonly logs: string
  readonly services: readonly Service[]
  readonly postgres: Postgres
  readonly redis: Redis
  readonly nginx: Nginx | undefined
  /** Stops all, those first that need the others. */
  stop(): Promise<void>
}

const DEFAULT_PER_ROLE = 2
const RESTART_AFTER_MS = 200

const countOf = (role: Role, wanted: ClusterOptions['rolesPerService'] = DEFAULT_PER_ROLE): number =>
  typeof wanted === 'number' ? wanted : (wanted[role] ?? DEFAULT_PER_ROLE)

/** What every service is told, besides where its servers are. The pools of all of them fit into one PostgreSQL. */
const settingsOf = (folder: string): Record<string, string> => ({
  AIDOS_SECRET_KEY: randomBytes(32).toString('base64'),
  AIDOS_FILES_ROOT: path.join(folder, 'files'),
  DB_POOL_MIN: '1',
  DB_POOL_MAX: '15',
  SHUTDOWN_GRACE_MS: '3000',
})

/** Resolves when every process is ready; rejects, with everything stopped again, when one cannot start. */
export const startCluster = async (options: ClusterOptions): Promise<Cluster> => {
  const { rolesPerService, redis: kind = 'cluster', nginx: withNginx = true, replica = true, load = [] } = options
  const { say = () => {}, restartAfterMs = RESTART_AFTER_MS } = options
  const folder = path.resolve(options.folder)
  const logs = path.join(folder, 'logs')
  await mkdir(logs, { recursive: true })
  await mkdir(path.join(folder, 'files'), { recursive: true })
  // PostgreSQL may run as another user, who has to get through to its own folder.
  await chmod(folder, 0o711)
  const ports = makePorts()
  const leash = makeLeash()
  const stops: (() => Promise<void>)[] = []
  const stop = async (): Promise<void> => {
    for (const each of stops.splice(0).reverse()) await each()
  }

  const startServers = async (): Promise<[Postgres, Redis]> => {
    say(`PostgreSQL${replica ? ' with a replica' : ''}, and Redis (${kind})`)
    const settled = await Promise.allSettled([
      startPostgres({ folder, logs, replica, ports, leash }),
      startRedis({ kind, logs, leash }),
    ] as const)
    for (const each of settled) if (each.status === 'fulfilled') stops.push(() => each.value.stop())
    const [postgres, redis] = settled
    if (postgres.status === 'rejected') throw postgres.reason
    if (redis.status === 'rejected') throw redis.reason
    return [postgres.value, redis.value]
  }

  try {
    const [postgres, redis] = await startServers()
    const env = { ...settingsOf(folder), ...postgres.env, ...redis.env, ...options.env }
    const { key } = makeKey(randomUUID())
    const make = async (role: Role, index: number): Promise<Service> => {
      const own = role === 'gateway' ? { ...env, AIDOS_OWNER_KEY: key } : env
      return makeService({
        ...{ role, index, folder, logs, load, env: own, leash, restartAfterMs },
        port: await ports(),
      })
    }
    const services: Service[] = []
    for (const role of ROLES) {
      for (let i = 1; i <= countOf(role, rolesPerService); i++) services.push(await make(role, i))
    }
    const gateways = services.filter(({ role }) => role === 'gateway')
    const first = gateways[0]
    if (!first) throw new Error('a cluster needs a gateway')
    stops.push(async () => void (await Promise.all(services.map((service) => service.stop()))))
    say(services.map(({ name }) => name).join(' '))
    for (const service of services) service.start()
    await Promise.all(services.map((service) => service.ready()))
    let nginx: Nginx | undefined
    if (withNginx) {
      say('nginx before the gateways')
      const gatewayPorts = gateways.map(({ port }) => port)
      nginx = await startNginx({ folder, logs, port: await ports(), gatewayPorts, leash })
      stops.push(nginx.stop)
    }
    return { url: nginx?.url ?? first.url, key, logs, services, postgres, redis, nginx, stop }
  } catch (error) {
    await stop()
    throw error
  }
}
