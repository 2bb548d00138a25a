/** A small cluster from start to end: work goes through it, a killed process comes back, and nothing is left running. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startCluster } from '../../cluster/cluster.ts'
import { clusterTable } from '../../cluster/table.ts'
import { makeClient } from '../../src/sdk/index.ts'
import { makeTempFolder } from '../support/temp-folder.ts'
import { until } from '../support/until.ts'

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

test('a cluster does work that crosses its processes, brings back one that was killed, and stops whole', async (t) => {
  const folder = await makeTempFolder()
  const cluster = await startCluster({ folder, rolesPerService: 1, redis: 'single', env: { LEASE_MS: '5000' } })
  t.after(() => cluster.stop())
  const { services, postgres, nginx, url, key } = cluster
  const client = makeClient({ url, key })

  const done = async (text: string): Promise<void> => {
    const { id } = await client.tasks.create({ kind: 'skill:core/echo', input: { text }, idempotencyKey: text })
    const find = () => client.tasks.find(id).catch(() => undefined)
    await until(`the task ${text} to be completed`, async () => (await find())?.status === 'completed')
  }
  await done('before')

  const executor = services.find(({ role }) => role === 'executor')!
  const first = executor.child.pid
  executor.child.signal('SIGKILL')
  await until('the executor to come back', () => executor.child.lives.length === 2)
  await executor.ready()
  assert.notEqual(executor.child.pid, first)
  await done('after')

  await postgres.primary.stop('immediate')
  await postgres.primary.start()
  const [row] = await postgres.replica!.query('SELECT pg_is_in_recovery() AS standby')
  assert.equal(row?.standby, true)
  const table = await clusterTable(cluster)
  for (const { name } of services) assert.match(table, new RegExp(`^${name} +\\d+ +\\d+ +`, 'm'))

  const pids = [...services.map(({ child }) => child.pid!), postgres.primary.child.pid!, nginx!.child.pid!]
  await cluster.stop()
  assert.deepEqual(pids.filter(isAlive), [])
})
