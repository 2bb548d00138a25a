/** What ioredis is told for each use of a connection, and how the three kinds of Redis are reached. */
import { readFileSync } from 'node:fs'
import type { ConnectionOptions } from 'node:tls'
import { Cluster, type ClusterOptions, type RedisOptions as IoredisOptions, Redis } from 'ioredis'
import { systemClock } from '../clock.ts'

export interface RedisNode {
  readonly host: string
  readonly port: number
}

export interface RedisTarget {
  readonly mode: 'single' | 'sentinel' | 'cluster'
  /** Single: where it is. */
  readonly host?: string
  readonly port?: number
  /** Cluster: some of its nodes; the others are found by themselves. */
  readonly nodes?: readonly RedisNode[]
  /** Sentinel: the sentinels, and the name under which they watch the primary. */
  readonly sentinels?: readonly RedisNode[]
  readonly sentinelName?: string
  readonly username?: string
  /** Of Redis, and of the sentinels where they ask for one. */
  readonly password?: string
  readonly tls?: boolean
  /** PEM file of the authority that signed the servers' certificates; without it the system's authorities are trusted. */
  readonly tlsCaFile?: string
}

export type RedisClient = Redis | Cluster

/**
 * - `commands`: the hot path. Fails at once while Redis is away, and within `COMMAND_TIMEOUT_MS` when it does not answer.
 * - `worker`: waits as long as Redis is away, then goes on; a connection that is silent over a command is replaced.
 * - `blocking`: as `worker`, for commands that wait at the server for longer.
 * - `subscriber`: as `blocking`; subscribes again after an outage.
 */
export type RedisUse = 'commands' | 'worker' | 'blocking' | 'subscriber'

const COMMAND_TIMEOUT_MS = 2000
const CONNECT_TIMEOUT_MS = 2000
const SILENCE_MS = 5000
const RECONNECT_MAX_MS = 1000

const reconnectDelayMs = (times: number): number => Math.min(50 * 2 ** Math.min(times - 1, 10), RECONNECT_MAX_MS)

/** A primary that has become a replica refuses writes. Old versions say so in the middle of what a script says. */
const isReadOnly = (error: Error): boolean => /\bREADONLY\b/.test(error.message)

const ofUse = (use: RedisUse): Partial<IoredisOptions> => {
  if (use === 'commands') return { commandTimeout: COMMAND_TIMEOUT_MS, socketTimeout: SILENCE_MS }
  const patient = { maxRetriesPerRequest: null }
  return use === 'worker' ? { ...patient, socketTimeout: SILENCE_MS } : patient
}

const tlsOf = (target: RedisTarget): ConnectionOptions | undefined => {
  if (!target.tls) return undefined
  return target.tlsCaFile ? { ca: readFileSync(target.tlsCaFile) } : {}
}

const common = (target: RedisTarget, use: RedisUse): IoredisOptions => {
  const tls = tlsOf(target)
  return {
    ...ofUse(use),
    ...(target.username ? { username: target.username } : {}),
    ...(target.password ? { password: target.password } : {}),
    ...(tls ? { tls } : {}),
    connectTimeout: CONNECT_TIMEOUT_MS,
    keepAlive: 10_000,
  }
}

const clusterOptions = (target: RedisTarget, use: RedisUse): ClusterOptions => ({
  redisOptions: common(target, use),
  enableOfflineQueue: use !== 'commands',
  clusterRetryStrategy: reconnectDelayMs,
  slotsRefreshTimeout: CONNECT_TIMEOUT_MS,
  // Finds new masters even where no command fails; each look is one short connection.
  ...(use === 'commands' ? { slotsRefreshInterval: 10_000 } : {}),
  retryDelayOnFailover: 100,
  retryDelayOnClusterDown: 100,
  // Each try after a failure waits 100 ms: the hot path gives up in time, a worker outlasts a failover.
  maxRedirections: use === 'commands' ? 16 : 100,
  // A certificate names the host, not its address.
  ...(target.tls
    ? { dnsLookup: (address: string, done: (error: null, address: string) => void) => done(null, address) }
    : {}),
})

const standaloneOptions = (target: RedisTarget, use: RedisUse): IoredisOptions => ({
  ...common(target, use),
  enableOfflineQueue: use !== 'commands',
  retryStrategy: reconnectDelayMs,
  // The way to the new primary leads through a new connection.
  reconnectOnError: isReadOnly,
})

const sentinelOptions = (target: RedisTarget): IoredisOptions => {
  const tls = tlsOf(target)
  return {
    sentinels: (target.sentinels ?? []).map(({ host, port }) => ({ host, port })),
    name: target.sentinelName ?? 'aidos',
    sentinelRetryStrategy: reconnectDelayMs,
    sentinelCommandTimeout: COMMAND_TIMEOUT_MS,
    // Tells of a failover at once, even where the old primary's connection stays open.
    failoverDetector: true,
    ...(target.password ? { sentinelPassword: target.password } : {}),
    ...(tls ? { enableTLSForSentinelMode: true, sentinelTLS: tls } : {}),
  }
}

const STUCK_MS = 1000

/**
 * ioredis ends a Cluster's client when the last of its nodes is gone. A redirect that arrives meanwhile brings a node back, and the client
 * is "disconnecting" for ever; whoever waits for its end hangs, as a worker does that wanted a fresh connection. Asked once more it ends.
 */
const finishDisconnects = (client: Cluster): void => {
  client.on('disconnecting', () => {
    systemClock.after(STUCK_MS, () => {
      // `true` keeps what was asked for first, an end for good or a new beginning.
      if (client.status === 'disconnecting') client.disconnect(true)
    })
  })
}

/**
 * ioredis ends the client of a primary for good when word of a failover comes while it is looking for the new one already: that word breaks
 * the look off. Whoever did not ask for the end is connected again.
 */
const goOnUnlessEnded = (client: Redis): void => {
  const { connect, disconnect, quit } = client
  let isEndWanted = false
  client.connect = () => {
    isEndWanted = false
    return connect.call(client)
  }
  client.disconnect = (reconnect = false) => {
    isEndWanted ||= !reconnect
    disconnect.call(client, reconnect)
  }
  client.quit = () => {
    isEndWanted = true
    return quit.call(client)
  }
  client.on('end', () => {
    if (!isEndWanted) client.connect().catch(() => {})
  })
}

/** Makes a client, which begins to connect. The caller listens to its `error` events and disconnects it. */
export const makeClient = (target: RedisTarget, use: RedisUse, connectionName?: string): RedisClient => {
  const name = connectionName ? { connectionName } : {}
  if (target.mode === 'cluster') {
    const options = clusterOptions(target, use)
    /**
     * A node that this client once took for a replica may answer a script itself instead of sending it on, and the table of slots would
     * stay wrong until somebody looks. ioredis shows every error here first.
     */
    const lookAgain = (error: Error): boolean => {
      if (isReadOnly(error)) client.refreshSlotsCache()
      return false
    }
    const client = new Cluster(
      (target.nodes ?? []).map(({ host, port }) => ({ host, port })),
      { ...options, redisOptions: { ...options.redisOptions, ...name, reconnectOnError: lookAgain } },
    )
    finishDisconnects(client)
    return client
  }
  const options = { ...standaloneOptions(target, use), ...name }
  const where =
    target.mode === 'sentinel'
      ? sentinelOptions(target)
      : { host: target.host ?? '127.0.0.1', port: target.port ?? 6379 }
  const client = new Redis({ ...options, ...where })
  goOnUnlessEnded(client)
  return client
}
