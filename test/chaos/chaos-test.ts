/** Runs a cluster under load while it is harmed by plan, waits until all is over, and gathers what happened. */
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type Cluster, type ClusterOptions, startCluster } from '../../cluster/cluster.ts'
import type { RedisKind } from '../../cluster/redis.ts'
import { clusterTable } from '../../cluster/table.ts'
import { type ModelStandIn, makeModelStandIn } from '../../src/agents/stand-in/stand-in.ts'
import { type Check, repeats } from '../kill/checks.ts'
import { makeRandom } from '../kill/random.ts'
import { unevenEnv } from '../support/uneven.ts'
import { TURNS } from './code/work.ts'
import { readChaosEffects } from './effects.ts'
import { type DoneFault, makeHarm } from './faults.ts'
import { startLoad } from './load.ts'
import { type FaultKind, makePlan, type PlannedFault } from './plan.ts'
import { measureRecovery, type Recovery, slowestTasks } from './recovery.ts'
import { readQueues, readRemains, readUnfinished } from './remains.ts'
import { judge } from './verdict.ts'

export interface ChaosOptions {
  readonly seed: number
  readonly seconds: number
  readonly rate: number
  readonly redis: RedisKind
  readonly each: NonNullable<ClusterOptions['rolesPerService']>
  /** How unevenly the processes run (see test/support/uneven.ts). */
  readonly uneven: number
  /** Only these faults; all, where none are named. */
  readonly only: readonly FaultKind[] | undefined
  /** An empty folder. */
  readonly folder: string
  readonly say: (line: string) => void
  /** Given the cluster as it is at the end, before it is stopped. */
  readonly inspect?: (cluster: Cluster, result: ChaosResult) => Promise<void>
}

export interface ChaosResult {
  readonly checks: readonly Check[]
  readonly recoveries: readonly Recovery[]
  readonly summary: readonly string[]
}

const CODE = fileURLToPath(new URL('code', import.meta.url))
/** Shorter than in production, so that three minutes see many take-overs; longer than a crowded machine makes a process wait. */
const LEASE_MS = 6000
const END_WITHIN_MS = 120_000
const MODEL_MS = 50
const LOOK_EVERY_MS = 500
const TIDY_WITHIN_MS = 30_000

const startStandIn = (): Promise<ModelStandIn> =>
  makeModelStandIn({
    script: {
      rules: [
        { when: { turn: TURNS }, reply: { text: 'done' }, fault: { slowMs: MODEL_MS } },
        { reply: { toolCalls: [{ name: 'core__echo', input: { turn: '{% turn %}' } }] }, fault: { slowMs: MODEL_MS } },
      ],
    },
  })

const clock = (sinceMs: number, atMs = Date.now()): string => `${((atMs - sinceMs) / 1000).toFixed(1).padStart(6)} s`

/** Until nothing is under way, or nothing has changed for long. Resolves with what is left. */
const settled = async ({ postgres }: Cluster): Promise<readonly string[]> => {
  let left: readonly string[] = []
  for (const untilMs = Date.now() + END_WITHIN_MS; Date.now() < untilMs; await pause(LOOK_EVERY_MS)) {
    left = await readUnfinished(postgres.primary)
    if (left.length === 0) return left
  }
  return left
}

const emptied = async ({ redis }: Cluster): Promise<readonly string[]> => {
  let left: readonly string[] = []
  for (const untilMs = Date.now() + TIDY_WITHIN_MS; Date.now() < untilMs; await pause(LOOK_EVERY_MS)) {
    left = await readQueues(redis)
    if (left.length === 0) return left
  }
  return left
}

/** Processes that ended though no fault had touched them. */
const surprisesOf = ({ services }: Cluster, faults: readonly DoneFault[]): string[] => {
  const harmed = new Set(faults.flatMap(({ pids }) => pids))
  return services.flatMap(({ name, child }) =>
    child.lives
      .filter((life) => life.endMs !== undefined && !harmed.has(life.pid))
      .map(({ pid }) => `${name} (process ${pid}) ended by itself, see ${child.logFile}`),
  )
}

export const runChaosTest = async (options: ChaosOptions): Promise<ChaosResult> => {
  const { seed, seconds, rate, redis, each, folder, say } = options
  const random = makeRandom(seed)
  const plan = makePlan(seconds, random, options.only)
  const loadRandom = makeRandom(seed + 1)
  const file = join(folder, 'effects.jsonl')
  const standIn = await startStandIn()
  let cluster: Cluster | undefined
  try {
    const env = {
      ...{
        LEASE_MS: String(LEASE_MS),
        LOG_LEVEL: 'info',
        RATE_LIMIT_KEY_PER_MINUTE: '0',
        RATE_LIMIT_TENANT_PER_MINUTE: '0',
      },
      ...unevenEnv(options.uneven),
      ...{ MODEL_BASE_URL: standIn.url, MODEL_NAME: 'stand-in', OUTBOUND_ALLOW: new URL(standIn.url).host },
    }
    const startMs = Date.now()
    cluster = await startCluster({
      ...{ folder, redis, env, load: [CODE], rolesPerService: each },
      say: (line) => say(`${clock(startMs)}  starting ${line}`),
    })
    say(`${clock(startMs)}  all ready`)
    const harm = makeHarm({ cluster, leaseMs: LEASE_MS })
    const faults: DoneFault[] = []
    const beganMs = Date.now()
    const endMs = beganMs + seconds * 1000
    const load = startLoad({ url: cluster.url, key: cluster.key, file, random: loadRandom, rate })
    const failures: string[] = []
    const followLane = async (lane: readonly PlannedFault[]): Promise<void> => {
      for (const fault of lane) {
        await pause(Math.min(fault.afterMs, Math.max(0, endMs - Date.now())))
        if (Date.now() >= endMs) return
        const { fault: done, wellAfterMs, trouble } = await harm.do(fault)
        faults.push(done)
        const healed = trouble ?? `well again after ${wellAfterMs} ms`
        say(`${clock(beganMs, done.fromMs)}  ${done.kind.padEnd(20)} ${done.what}; ${healed}`)
        if (trouble !== undefined) failures.push(`after ${done.kind} of ${done.what}: ${trouble}`)
      }
    }
    const lanes = [plan.roles, plan.servers].map(followLane)
    await Promise.all([...lanes, pause(seconds * 1000)])
    say(`${clock(beganMs)}  no more faults, no more load; ${load.promised.length} pieces of work were accepted`)
    await load.stop()
    const unfinished = await settled(cluster)
    const queues = await emptied(cluster)
    say(`${clock(beganMs)}  ${unfinished.length === 0 ? 'everything is over' : 'time is up'}\n`)
    if (unfinished.length > 0 || failures.length > 0) say(await clusterTable(cluster))
    const remains = await readRemains(cluster.postgres.primary)
    const effects = readChaosEffects(file)
    const surprises = [...failures, ...surprisesOf(cluster, faults)]
    const { promised, refusals, troubles } = load
    const modelCalls = (runId: string, turnKey: string): number => standIn.callsFor(`${runId}/${turnKey}`).calls
    const story = { promised, refusals, faults, remains, effects, modelCalls, queues, unfinished, surprises }
    const more = [...repeats(effects.map(({ idempotencyKey }) => idempotencyKey)).values()].reduce(
      (sum, count) => sum + count - 1,
      0,
    )
    const summary = [
      `${promised.length} pieces of work accepted, in all ${remains.runs.length} runs and ${remains.tasks.length} tasks; ${remains.dead.length} dead by design`,
      `${faults.length} faults; ${remains.tasks.reduce((sum, { lost }) => sum + lost, 0)} attempts lost with their process`,
      `${effects.length} effects; ${more} of them repeats of work that was under way when its process was harmed`,
      slowestTasks(remains, promised),
      `answers on the way: ${[...troubles].map(([name, count]) => `${count} × ${name}`).join(', ') || 'all good'} (each was asked again)`,
    ]
    const result = { checks: judge(story), recoveries: measureRecovery(faults, remains), summary }
    await options.inspect?.(cluster, result)
    return result
  } finally {
    await cluster?.stop()
    await standIn.stop()
  }
}
