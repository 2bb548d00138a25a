/** Does the harm that the plan names to a running cluster, and undoes it where nobody else does. */
import { setTimeout as pause } from 'node:timers/promises'
import type { Cluster } from '../../cluster/cluster.ts'
import { eventually } from '../../cluster/eventually.ts'
import type { Service } from '../../cluster/service.ts'
import { ROLES } from '../../src/config.ts'
import type { RedisServer } from '../support/redis-process.ts'
import type { FaultKind, PlannedFault } from './plan.ts'

export interface DoneFault {
  readonly kind: FaultKind
  readonly what: string
  readonly fromMs: number
  /** When the harm was over: the server back, the process continued. */
  readonly endMs: number
  /** Processes whose work may have been cut off in the midst. */
  readonly pids: readonly number[]
}

export interface Healing {
  readonly fault: DoneFault
  /** Since the harm was over. */
  readonly wellAfterMs: number
  /** What is still not well after a long wait. */
  readonly trouble: string | undefined
}

export interface Harm {
  /** Resolves when all is well again, or after a long wait. */
  do(fault: PlannedFault): Promise<Healing>
}

export interface HarmOptions {
  readonly cluster: Cluster
  readonly leaseMs: number
}

/** Redis takes a node for dead after two seconds of silence; then the replica is voted in. */
const REDIS_DOWN_MS = { least: 500, most: 6000 }
const POSTGRES_DOWN_MS = { least: 0, most: 1500 }
const READY_AGAIN_MS = 60_000

const between = ({ least, most }: { least: number; most: number }, part: number): number =>
  least + part * (most - least)

const pick = <T>(values: readonly T[], part: number): T | undefined => values[Math.floor(part * values.length)]

export const makeHarm = ({ cluster, leaseMs }: HarmOptions): Harm => {
  const { services, redis, postgres } = cluster

  const pidsOf = (victims: readonly Service[]): number[] => victims.flatMap(({ child }) => child.pid ?? [])

  /** Every service is ready, and none of those processes is there any more. */
  const healed = async (gone: readonly number[]): Promise<void> => {
    const what = `the processes ${gone.join(', ')} to be gone`
    const areGone = async (): Promise<boolean> => !pidsOf(services).some((pid) => gone.includes(pid))
    await eventually(areGone, { what, withinMs: READY_AGAIN_MS })
    await Promise.all(services.map((service) => service.ready(READY_AGAIN_MS)))
  }

  const kill = async (victims: readonly Service[]): Promise<void> => {
    for (const { child } of victims) child.signal('SIGKILL')
  }

  const freeze = async (victim: Service, ms: number): Promise<void> => {
    victim.child.signal('SIGSTOP')
    await pause(ms)
    victim.child.signal('SIGCONT')
  }

  const redisDown = async (node: RedisServer | undefined, ms: number): Promise<void> => {
    if (!node) return
    await node.kill()
    await pause(ms)
    await node.start()
  }

  const postgresDown = async (mode: 'fast' | 'immediate', ms: number): Promise<void> => {
    await postgres.primary.stop(mode)
    await pause(ms)
    await postgres.primary.start()
  }

  /** Roles first, then a process of it: each role is hit as often as the others. */
  const victimOf = (part: number): Service => {
    const role = pick(ROLES, part) ?? 'executor'
    const ofRole = services.filter((service) => service.role === role)
    return pick(ofRole, (part * ROLES.length) % 1) ?? (services[0] as Service)
  }

  const perform = async ({
    kind,
    victim,
    length,
  }: PlannedFault): Promise<Omit<DoneFault, 'kind' | 'fromMs' | 'endMs'> & { endMs?: number }> => {
    const service = victimOf(victim)
    const whole = services.filter(({ role }) => role === service.role)
    switch (kind) {
      case 'kill':
      case 'kill-role': {
        const victims = kind === 'kill' ? [service] : whole
        const pids = pidsOf(victims)
        await kill(victims)
        return { what: victims.map(({ name }) => name).join(' '), pids }
      }
      case 'terminate': {
        const pids = pidsOf([service])
        service.child.signal('SIGTERM')
        return { what: service.name, pids }
      }
      case 'freeze-long':
      case 'freeze-short': {
        const ms =
          kind === 'freeze-long'
            ? between({ least: leaseMs * 1.2, most: leaseMs * 2 }, length)
            : between({ least: 200, most: leaseMs / 3 }, length)
        const pids = pidsOf([service])
        await freeze(service, ms)
        return { what: `${service.name} for ${Math.round(ms)} ms`, pids }
      }
      case 'redis-kill-primary':
      case 'redis-kill-replica': {
        const primaries = await redis.masters()
        const others = redis.nodes.filter((node) => !primaries.includes(node))
        const node = pick(kind === 'redis-kill-primary' ? primaries : others, victim)
        const ms = between(REDIS_DOWN_MS, length)
        await redisDown(node, ms)
        return { what: node ? `${node.port} for ${Math.round(ms)} ms` : 'none there', pids: [] }
      }
      case 'redis-freeze-primary': {
        const node = pick(await redis.masters(), victim)
        const ms = between(REDIS_DOWN_MS, length)
        node?.freeze()
        await pause(ms)
        node?.thaw()
        return { what: `${node?.port} for ${Math.round(ms)} ms`, pids: [] }
      }
      case 'redis-flush': {
        const primaries = await redis.masters()
        await Promise.all(primaries.map((node) => node.command('flushall')))
        return { what: `${primaries.length} primaries`, pids: [] }
      }
      case 'redis-cut': {
        const kinds = ['normal', 'pubsub']
        await Promise.all(
          redis.nodes
            .filter((node) => node.isRunning)
            .flatMap((node) => kinds.map((type) => node.command('client', 'kill', 'type', type).catch(() => {}))),
        )
        return { what: 'all clients', pids: [] }
      }
      case 'postgres-fast':
      case 'postgres-immediate': {
        const ms = between(POSTGRES_DOWN_MS, length)
        const fromMs = Date.now()
        await postgresDown(kind === 'postgres-fast' ? 'fast' : 'immediate', ms)
        const downMs = Date.now() - fromMs
        // Nobody can renew a lease meanwhile: after a long absence anybody may be taken for dead.
        return { what: `down for ${downMs} ms`, pids: downMs > leaseMs / 2 ? pidsOf(services) : [] }
      }
      case 'postgres-cut': {
        const cut = await postgres.primary.query(
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'aidos'",
        )
        return { what: `${cut.length} connections`, pids: [] }
      }
      case 'postgres-freeze': {
        const ms = between({ least: 500, most: leaseMs * 2 }, length)
        await postgres.primary.freeze()
        await pause(ms)
        await postgres.primary.thaw()
        return { what: `for ${Math.round(ms)} ms`, pids: ms > leaseMs / 2 ? pidsOf(services) : [] }
      }
    }
  }

  return {
    async do(fault) {
      const fromMs = Date.now()
      const done = await perform(fault)
      const endMs = Date.now()
      // The next fault of this lane finds the cluster whole: what is harmed twice at once is left to the other lane.
      const healing = fault.kind.startsWith('redis')
        ? redis.whole()
        : fault.kind.startsWith('postgres')
          ? Promise.resolve()
          : healed(fault.kind.startsWith('freeze') ? [] : done.pids)
      const trouble = await healing.then(
        () => undefined,
        (error: unknown) => (error instanceof Error ? error.message : String(error)),
      )
      return { fault: { kind: fault.kind, fromMs, endMs, ...done }, wellAfterMs: Date.now() - endMs, trouble }
    },
  }
}
