/** The state of a cluster as a table for people. */
import type { Cluster } from './cluster.ts'

interface Row {
  readonly role: string
  readonly pid: number | undefined
  readonly port: number
  readonly state: string
  readonly restarts?: number
  readonly runs?: number | undefined
  readonly tasks?: number | undefined
}

const HEADINGS = ['process', 'pid', 'port', 'state', 'restarts', 'runs live', 'tasks active']

const rowsOf = async ({ services, postgres, redis, nginx }: Cluster): Promise<Row[]> => {
  const masters = await redis.masters()
  const states = await Promise.all(services.map((service) => service.state()))
  const servers = [postgres.primary, ...(postgres.replica ? [postgres.replica] : [])]
  return [
    ...servers.map((server) => ({
      role: server.name,
      pid: server.child.pid,
      port: server.port,
      state: server.isRunning ? 'runs' : 'down',
    })),
    ...redis.nodes.map((node, i) => ({
      role: `redis-${i + 1}`,
      pid: undefined,
      port: node.port,
      state: !node.isRunning ? 'down' : masters.includes(node) ? 'primary' : 'replica',
    })),
    ...states.map(({ name, pid, port, isReady, restarts, runsLive, tasksActive }) => ({
      ...{ role: name, pid, port, restarts, runs: runsLive, tasks: tasksActive },
      state: pid === undefined ? 'down' : isReady ? 'ready' : 'not ready',
    })),
    ...(nginx
      ? [
          {
            role: 'nginx',
            pid: nginx.child.pid,
            port: Number(new URL(nginx.url).port),
            state: nginx.child.isRunning ? 'runs' : 'down',
          },
        ]
      : []),
  ]
}

/** Lines of equal columns, the headings first. */
export const clusterTable = async (cluster: Cluster): Promise<string> => {
  const cells = (await rowsOf(cluster)).map(({ role, pid, port, state, restarts, runs, tasks }) =>
    [role, pid, port, state, restarts, runs, tasks].map((value) => (value === undefined ? '' : String(value))),
  )
  const lines = [HEADINGS, ...cells]
  const widths = HEADINGS.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)))
  return lines
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
