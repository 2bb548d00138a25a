/** The Redis of a cluster: one server, one with a replica and sentinels, or a Redis Cluster of six nodes. */
import { appendFileSync } from 'node:fs'
import path from 'node:path'
import { ensureInstalled } from '../test/support/debian-packages.ts'
import { startRedisCluster } from '../test/support/redis-cluster.ts'
import { type Launch, type RedisServer, startRedis as startServer } from '../test/support/redis-process.ts'
import { startRedisWithReplica } from '../test/support/redis-sentinel.ts'
import type { Leash } from './leash.ts'

export type RedisKind = 'single' | 'sentinel' | 'cluster'

export interface Redis {
  readonly kind: RedisKind
  /** Without the sentinels. */
  readonly nodes: readonly RedisServer[]
  /** What a service is told. */
  readonly env: Readonly<Record<string, string>>
  /** Those that run and take writes at the moment. */
  masters(): Promise<readonly RedisServer[]>
  /** Resolves when all running servers have found each other again. */
  whole(): Promise<void>
  stop(): Promise<void>
}

export interface RedisOptions {
  readonly kind: RedisKind
  readonly logs: string
  readonly leash: Leash
}

/** Asks the servers themselves, for the table of a cluster may be old. */
const mastersOf = async (nodes: readonly RedisServer[]): Promise<RedisServer[]> => {
  const roles = await Promise.all(
    nodes.map(async (node) => {
      const info = node.isRunning ? await node.command('info', 'replication').catch(() => '') : ''
      return String(info).includes('role:master')
    }),
  )
  return nodes.filter((_, i) => roles[i])
}

const list = (nodes: readonly { readonly host: string; readonly port: number }[]): string =>
  nodes.map(({ host, port }) => `${host}:${port}`).join(',')

export const startRedis = async ({ kind, logs, leash }: RedisOptions): Promise<Redis> => {
  await ensureInstalled(['redis-server'])
  const launch: Launch = {
    prefix: leash('KILL'),
    detached: true,
    onOutput: (port, chunk) => appendFileSync(path.join(logs, `redis-${port}.log`), chunk),
  }
  if (kind === 'single') {
    const server = await startServer({ launch })
    const nodes = [server]
    return {
      ...{ kind, nodes, stop: server.stop, masters: () => mastersOf(nodes), whole: async () => {} },
      env: { REDIS_MODE: 'single', REDIS_HOST: server.host, REDIS_PORT: String(server.port) },
    }
  }
  if (kind === 'sentinel') {
    const { servers: nodes, sentinels, name, stop } = await startRedisWithReplica(launch)
    return {
      ...{ kind, nodes, stop, masters: () => mastersOf(nodes), whole: async () => {} },
      env: { REDIS_MODE: 'sentinel', REDIS_SENTINELS: list(sentinels), REDIS_SENTINEL_NAME: name },
    }
  }
  const { nodes, whole, stop } = await startRedisCluster({ launch })
  return {
    ...{ kind, nodes, stop, masters: () => mastersOf(nodes), whole },
    env: { REDIS_MODE: 'cluster', REDIS_CLUSTER_NODES: list(nodes), QUEUE_SPLITS: '3' },
  }
}
