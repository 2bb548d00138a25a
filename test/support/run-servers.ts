/** The servers of one run of the tests: started together, before the first file, and only those that the files can ask for. */
import path from 'node:path'
import { type DebianPackage, ensureInstalled } from './debian-packages.ts'
import { startPostgres } from './embedded-postgres.ts'
import { reachedFiles } from './reached-files.ts'
import { startRedisCluster } from './redis-cluster.ts'
import { startRedis } from './redis-process.ts'

export interface RunServers {
  /** What tells the tests where the servers are. */
  readonly env: Readonly<Record<string, string>>
  stop(): Promise<void>
}

/** A server that the caller has already, named by the variable, is taken instead. */
const starters = {
  AIDOS_TEST_POSTGRES_URL: async () => {
    const { url, stop } = await startPostgres()
    return { value: url, stop }
  },
  AIDOS_TEST_REDIS_URL: async () => {
    const { url, stop } = await startRedis()
    return { value: url, stop }
  },
  AIDOS_TEST_REDIS_CLUSTER: async () => {
    const { list, stop } = await startRedisCluster()
    return { value: list, stop }
  },
}

type Name = keyof typeof starters

/** Starts what the test files need; when one cannot start, the others are stopped and the reason is thrown. */
export const startRunServers = async (files: readonly string[]): Promise<RunServers> => {
  const reached = [...reachedFiles(files)]
  const reaches = (part: string): boolean => reached.some((file) => path.basename(file).startsWith(part))
  const packages: DebianPackage[] = []
  if (reaches('redis-process.ts')) packages.push('redis-server')
  if (reaches('nginx')) packages.push('nginx')
  await ensureInstalled(packages)

  const needed: Name[] = ['AIDOS_TEST_POSTGRES_URL']
  // The module through which tests reach the run's own Redis servers; others start their own.
  if (reached.includes(path.join(import.meta.dirname, 'redis.ts'))) {
    needed.push('AIDOS_TEST_REDIS_URL', 'AIDOS_TEST_REDIS_CLUSTER')
  }
  const missing = needed.filter((name) => !process.env[name])
  const settled = await Promise.allSettled(missing.map(async (name) => ({ name, ...(await starters[name]()) })))
  const started = settled.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
  const stop = async (): Promise<void> => void (await Promise.all(started.map((server) => server.stop())))
  const failed = settled.find((each) => each.status === 'rejected')
  if (failed) {
    await stop()
    throw failed.reason
  }
  return { env: Object.fromEntries(started.map(({ name, value }) => [name, value])), stop }
}
