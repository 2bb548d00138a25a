/** The engine as a library: the same parts as a server has, with its defaults, on SQLite with durable commits, but without HTTP. */
import { join } from 'node:path'
import { readConfig } from '../../src/config.ts'
import {
  type Engine,
  engineErrors,
  makeEngine,
  makeWorkers,
  type NewRun,
  type WorkflowFunction,
} from '../../src/engine/index.ts'
import { migrations } from '../../src/migrations/index.ts'
import { makeLocalBus } from '../../src/platform/bus/bus.ts'
import { systemClock } from '../../src/platform/clock.ts'
import type { Database } from '../../src/platform/db/database.ts'
import { migrate } from '../../src/platform/db/migrate.ts'
import { openSqliteDatabase } from '../../src/platform/db/sqlite.ts'
import { type EventHub, makeEventHub } from '../../src/platform/events/hub.ts'
import { makeIdGenerator } from '../../src/platform/ids.ts'
import { makeLog } from '../../src/platform/log.ts'
import { makeLocalQueue } from '../../src/platform/queue/local-queue.ts'
import { makeLocalWindow } from '../../src/platform/queue/local-window.ts'
import { noRules } from '../../src/platform/queue/rules.ts'
import { makeCodeHandlers, makeTaskService, type TaskService } from '../../src/tasks/index.ts'
import { localSteps, noop, taskSteps } from '../code/loads.ts'

export interface BenchEngine {
  readonly engine: Engine
  readonly tasks: TaskService
  readonly db: Database
  readonly hub: EventHub
  readonly tenantId: string
  /** Runs one workflow of `bench/code/` to its end; throws when it does not complete. */
  run(target: string, steps: number): Promise<void>
  stop(): Promise<void>
}

const WORKFLOWS: Readonly<Record<string, WorkflowFunction>> = {
  [localSteps.name]: localSteps.run,
  [taskSteps.name]: taskSteps.run,
}

/** `executor: false` leaves tasks queued until `tasks.startExecutor()`. */
export const startBenchEngine = async (folder: string, { executor = true } = {}): Promise<BenchEngine> => {
  const config = readConfig({})
  const clock = systemClock
  const makeId = makeIdGenerator()
  const workerId = makeId()
  const tenantId = makeId()
  const log = makeLog('warn')
  const hub = makeEventHub()
  const db = openSqliteDatabase({ file: join(folder, 'aidos.db'), hub })
  await migrate(db, migrations)
  const workers = makeWorkers({ db, id: workerId, roles: ['all'], leaseMs: config.LEASE_MS, now: clock.now })
  const queue = makeLocalQueue({ clock, onError: (error) => log.error({ err: error }, 'a job broke') })
  const code = makeCodeHandlers()
  code.register(noop.name, noop.run)
  const knot: { engine?: Engine } = {}
  const bus = makeLocalBus()
  const window = makeLocalWindow({ clock, windowSize: config.QUEUE_WINDOW })
  const shared = { db, queue, bus, hub, clock, log, makeId, workerId, workers, window, rules: noRules }
  const payloadLimitBytes = config.PAYLOAD_LIMIT_BYTES
  const tasks = makeTaskService({
    ...shared,
    payloadLimitBytes,
    handlers: { find: async (_, kind) => code.find(kind) },
    inbox: () => (knot.engine as Engine).inbox,
    concurrency: config.QUEUE_CONCURRENCY,
    defaultAttempts: config.QUEUE_MAX_ATTEMPTS,
  })
  const engine = makeEngine({
    ...shared,
    payloadLimitBytes,
    tasks,
    programs: {
      async locate({ target }) {
        if (!WORKFLOWS[target]) throw engineErrors.program_not_loaded(`there is no workflow "${target}"`)
        return { version: 1, projectId: null }
      },
      load: async (run) => WORKFLOWS[run.target],
    },
    liveMax: config.RUNS_LIVE_MAX,
  })
  knot.engine = engine
  await workers.join()
  if (executor) tasks.startExecutor()
  await engine.start()
  const sweepers = [engine.sweeper, tasks.sweepers.due, tasks.sweepers.answers]
  for (const sweeper of sweepers) await sweeper.start()

  const request = { tenantId, projectId: null, kind: 'workflow', priority: 3 } as const satisfies Partial<NewRun>
  return {
    engine,
    tasks,
    db,
    hub,
    tenantId,
    async run(target, steps) {
      const { run } = await engine.create({ ...request, target, input: { steps } })
      const ended = await engine.wait(tenantId, run.id, 60_000)
      if (ended.status !== 'completed') throw new Error(`a run of ${target} is ${ended.status}`)
    },
    async stop() {
      for (const sweeper of sweepers) sweeper.stop()
      await engine.stop(1000)
      await tasks.stop(1000)
      await queue.stop()
      await db.stop()
    },
  }
}
