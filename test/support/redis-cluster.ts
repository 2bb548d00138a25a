/** A Redis Cluster on loopback: masters that share the slots, and replicas that take their place. */
import { freePort } from './free-port.ts'
import { eventually, type Launch, type RedisServer, startRedis } from './redis-process.ts'

export interface RedisClusterOptions {
  readonly masters?: number
  /** Of each master. */
  readonly replicas?: number
  readonly password?: string
  /** Silence after which the others take a node for dead. */
  readonly nodeTimeoutMs?: number
  readonly launch?: Launch
}

export interface RedisCluster {
  readonly nodes: readonly RedisServer[]
  /** As `REDIS_CLUSTER_NODES` has it. */
  readonly list: string
  masterOf(slot: number): Promise<RedisServer>
  /** The masters of the moment. */
  masters(): Promise<readonly RedisServer[]>
  kill(node: RedisServer): Promise<void>
  restart(node: RedisServer): Promise<void>
  /** Resolves once every running node finds the cluster whole, with as many masters and replicas as at the start. */
  whole(): Promise<void>
  stop(): Promise<void>
}

const SLOTS = 16_384

const startNode = async (nodeTimeoutMs: number, { password, launch }: RedisClusterOptions) => {
  // The usual bus port, 10000 above, may not exist above a free port.
  const busPort = await freePort()
  const settings = {
    'cluster-enabled': 'yes',
    'cluster-config-file': 'nodes.conf',
    'cluster-node-timeout': String(nodeTimeoutMs),
    'cluster-replica-validity-factor': '0',
    'cluster-port': String(busPort),
  }
  const more = { ...(password ? { password } : {}), ...(launch ? { launch } : {}) }
  return { server: await startRedis({ settings, ...more }), busPort }
}

/** Starts the nodes and joins them; resolves once all of them find the cluster whole. */
export const startRedisCluster = async (options: RedisClusterOptions = {}): Promise<RedisCluster> => {
  const { masters = 3, replicas = 1, nodeTimeoutMs = 2000 } = options
  const count = masters * (1 + replicas)
  const settled = await Promise.allSettled(Array.from({ length: count }, () => startNode(nodeTimeoutMs, options)))
  const started = settled.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
  const nodes = started.map(({ server }) => server)
  const stop = async (): Promise<void> => void (await Promise.all(nodes.map((node) => node.stop())))
  const refused = settled.find((each) => each.status === 'rejected')
  const running = (): RedisServer[] => nodes.filter((node) => node.isRunning)
  const saysWhole = async (node: RedisServer): Promise<boolean> => {
    const info = String(await node.command('cluster', 'info'))
    return info.includes('cluster_state:ok') && info.includes(`cluster_known_nodes:${count}\r`)
  }
  const followsOrLeads = async (node: RedisServer): Promise<boolean> => {
    const info = String(await node.command('info', 'replication'))
    return info.includes('role:master') || info.includes('master_link_status:up')
  }
  const replicasOf = async (): Promise<number> => {
    const lines = String(await running()[0]?.command('cluster', 'nodes')).split('\n')
    return lines.filter((line) => /\bslave\b/.test(line) && !/fail|disconnected/.test(line)).length
  }
  const whole = (): Promise<void> =>
    eventually('the cluster to be whole', async () => {
      const all = await Promise.all(running().map(async (n) => (await saysWhole(n)) && (await followsOrLeads(n))))
      return all.every(Boolean) && (await replicasOf()) >= running().length - masters
    })
  try {
    if (refused) throw refused.reason
    for (const [i, { server }] of started.entries()) {
      await server.command('cluster', 'set-config-epoch', i + 1)
      if (i < masters) {
        const from = Math.ceil((i * SLOTS) / masters)
        await server.command('cluster', 'addslotsrange', from, Math.ceil(((i + 1) * SLOTS) / masters) - 1)
      }
      if (i > 0) await started[0]!.server.command('cluster', 'meet', server.host, server.port, started[i]!.busPort)
    }
    await eventually('the nodes to meet', async () => (await Promise.all(nodes.map(saysWhole))).every(Boolean))
    const ids = await Promise.all(nodes.map(async (node) => String(await node.command('cluster', 'myid'))))
    for (let i = masters; i < count; i++) {
      const id = ids[i % masters]!
      await eventually('the replica to know its master', async () => {
        await nodes[i]!.command('cluster', 'replicate', id)
        return true
      })
    }
    await whole()
  } catch (error) {
    await stop()
    throw error
  }
  const slots = async (): Promise<[from: number, to: number, server: RedisServer][]> => {
    const table = (await running()[0]!.command('cluster', 'slots')) as [number, number, [string, number]][]
    return table.map(([from, to, [, port]]) => [from, to, nodes.find((node) => node.port === port)!])
  }
  return {
    nodes,
    list: nodes.map(({ host, port }) => `${host}:${port}`).join(),
    masterOf: async (slot) => (await slots()).find(([from, to]) => slot >= from && slot <= to)![2],
    masters: async () => [...new Set((await slots()).map(([, , server]) => server))],
    kill: (node) => node.kill(),
    restart: (node) => node.start(),
    whole,
    stop,
  }
}
