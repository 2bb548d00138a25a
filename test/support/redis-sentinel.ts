/** A primary, a replica and three sentinels that put the replica in the primary's place when it dies. */
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import {
  command,
  eventually,
  type Launch,
  makeFolder,
  type RedisServer,
  startProcess,
  startRedis,
} from './redis-process.ts'

export interface RedisWithReplica {
  /** What a client is given to find the primary. */
  readonly sentinels: readonly { readonly host: string; readonly port: number }[]
  readonly name: string
  /** Both servers; either may be the primary. */
  readonly servers: readonly RedisServer[]
  primary(): Promise<RedisServer>
  /** Kills the primary and waits until the sentinels name the other. */
  killPrimary(): Promise<RedisServer>
  /** Has the sentinels change the roles while both run, and waits until they have. */
  failover(): Promise<void>
  stop(): Promise<void>
}

export interface RedisWithReplicaOptions extends Launch {
  /** Of both servers. The sentinels ask for none. */
  readonly password?: string
}

const HOST = '127.0.0.1'
const NAME = 'aidos'
const DOWN_AFTER_MS = 1000

const startSentinel = async (primaryPort: number, launch: Launch, password?: string) => {
  const folder = await makeFolder()
  const file = path.join(folder, 'sentinel.conf')
  const watched = [
    `sentinel monitor ${NAME} ${HOST} ${primaryPort} 2`,
    `sentinel down-after-milliseconds ${NAME} ${DOWN_AFTER_MS}`,
    `sentinel failover-timeout ${NAME} 3000`,
    `sentinel parallel-syncs ${NAME} 1`,
    ...(password ? [`sentinel auth-pass ${NAME} ${password}`] : []),
  ]
  // The sentinel writes what it learns into its file.
  await writeFile(file, `bind ${HOST}\n${watched.join('\n')}\n`)
  return startProcess((port) => [file, '--sentinel', '--port', String(port)], folder, launch)
}

/** Starts all five, and waits until the replica follows and the sentinels know each other. */
export const startRedisWithReplica = async (options: RedisWithReplicaOptions = {}): Promise<RedisWithReplica> => {
  const { password, ...launch } = options
  const each = { launch, ...(password ? { password } : {}) }
  const started: { stop(): Promise<void> }[] = []
  const stop = async (): Promise<void> => void (await Promise.all(started.map((each) => each.stop())))
  const keep = <T extends { stop(): Promise<void> }>(each: T): T => {
    started.push(each)
    return each
  }
  try {
    const first = keep(await startRedis(each))
    const second = keep(await startRedis({ ...each, settings: { replicaof: `${HOST} ${first.port}` } }))
    await eventually('the replica to follow', async () =>
      String(await second.command('info', 'replication')).includes('master_link_status:up'),
    )
    const sentinels = await Promise.all([1, 2, 3].map(() => startSentinel(first.port, launch, password)))
    for (const sentinel of sentinels) keep(sentinel)
    const ask = (index: number, ...args: string[]): Promise<unknown> =>
      command({ host: HOST, port: sentinels[index]!.port }, 'sentinel', args)
    const primaryPort = async (index = 0): Promise<number> =>
      Number(((await ask(index, 'get-master-addr-by-name', NAME)) as string[])[1])
    await eventually('the sentinels to know each other and the replica', async () => {
      const answers = await Promise.all(sentinels.map((_, i) => ask(i, 'ckquorum', NAME)))
      const replicas = await Promise.all(sentinels.map((_, i) => ask(i, 'replicas', NAME)))
      return answers.every((a) => String(a).startsWith('OK 3')) && replicas.every((r) => (r as unknown[]).length === 1)
    })
    const servers = [first, second]
    const named = (port: number): RedisServer => servers.find((server) => server.port === port)!
    const isPrimary = async (server: RedisServer): Promise<boolean> =>
      String(await server.command('info', 'replication')).includes('role:master')
    const changed = async (old: RedisServer): Promise<RedisServer> => {
      const next = old === first ? second : first
      await eventually('the sentinels to name the new primary', async () => {
        const ports = await Promise.all(sentinels.map((_, i) => primaryPort(i)))
        return ports.every((port) => port === next.port) && (await isPrimary(next))
      })
      return next
    }
    return {
      sentinels: sentinels.map(({ port }) => ({ host: HOST, port })),
      name: NAME,
      servers,
      primary: async () => named(await primaryPort()),
      async killPrimary() {
        const old = named(await primaryPort())
        await old.kill()
        return changed(old)
      },
      async failover() {
        const old = named(await primaryPort())
        await ask(0, 'failover', NAME)
        await changed(old)
      },
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}
