/** An engine with its tasks over a real database, for suites; `crash()` lets go of everything as a killed process would. */
import { randomUUID } from 'node:crypto'
import {
  type Engine,
  engineErrors,
  makeEngine,
  makeWorkers,
  type ProgramSource,
  type Run,
  type WorkflowFunction,
} from '../../src/engine/index.ts'
import type { Bus } from '../../src/platform/bus/bus.ts'
import { type Clock, systemClock } from '../../src/platform/clock.ts'
import type { Database } from '../../src/platform/db/database.ts'
import { type EventHub, makeEventHub } from '../../src/platform/events/hub.ts'
import { makeIdGenerator } from '../../src/platform/ids.ts'
import type { Json } from '../../src/platform/json.ts'
import { makeLog } from '../../src/platform/log.ts'
import { noRules, type QueueRules } from '../../src/platform/queue/rules.ts'
import {
  type DeadLetterCopies,
  makeTaskService,
  type TaskHandler,
  type TaskService,
  taskErrors,
} from '../../src/tasks/index.ts'
import { openTestShared } from './backends.ts'
import { PATIENCE_MS } from './until.ts'

export interface TestEngine {
  readonly engine: Engine
  readonly tasks: TaskService
  readonly tenantId: string
  readonly workerId: string
  readonly bus: Bus
  run(target: string, input?: Json, more?: { idempotencyKey?: string; timeoutMs?: number }): Promise<Run>
  /** Starts a run and waits for its end. */
  result(target: string, input?: Json, more?: { timeoutMs?: number }): Promise<Run>
  wait(runId: string, timeoutMs?: number): Promise<Run>
  /** Lets attempts under way finish for at most that time. */
  stop(graceMs?: number): Promise<void>
  /** Nothing more is committed by this engine, and a new one over the same database takes over. */
  crash(): Promise<void>
}

export interface TestEngineOptions {
  readonly db: Database
  readonly hub?: EventHub
  readonly workflows?: Record<string, WorkflowFunction>
  /** Instead of `workflows`. */
  readonly programs?: ProgramSource
  readonly handlers?: Record<string, TaskHandler>
  readonly tenantId?: string
  readonly liveMax?: number
  readonly concurrency?: number
  /** Where dead letters stand beside the queue. */
  readonly deadLetterCopies?: DeadLetterCopies
  readonly windowSize?: number
  readonly rules?: QueueRules
  /** What this process does besides making runs and tasks; all of it if left out. */
  readonly does?: readonly ('runs' | 'tasks')[]
  /** On a shared database; without one the test says who is dead: a lease of no length has always run out. */
  readonly leaseMs?: number
  /** With one that stands still nothing ends by time, except what the test lets pass. */
  readonly clock?: Clock
}

export const startTestEngine = async (options: TestEngineOptions): Promise<TestEngine> => {
  const { workflows = {}, handlers = {}, tenantId = randomUUID(), does = ['runs', 'tasks'] } = options
  const makeId = makeIdGenerator()
  const workerId = makeId()
  const log = makeLog(process.env.TEST_LOG ?? 'silent')
  let crashed = false
  // A crashed process commits nothing any more: its promises never settle.
  const db: Database = { ...options.db, commit: (unit) => (crashed ? new Promise(() => {}) : options.db.commit(unit)) }
  const { leaseMs = -1 } = options
  const workers = makeWorkers({ db, id: workerId, roles: ['all'], leaseMs, now: Date.now })
  const shared = await openTestShared(options.db, {
    workerId,
    windowSize: options.windowSize ?? 1000,
    onError: (error) => log.error({ err: error }, 'a job broke'),
  })
  const { queue, window, bus } = shared
  const holder: { engine?: Engine } = {}
  const carrying = {
    ...{ db, queue, window, bus, log, makeId, workerId, clock: options.clock ?? systemClock },
    ...{ rules: options.rules ?? noRules, payloadLimitBytes: 262_144 },
  }
  const tasks = makeTaskService({
    ...carrying,
    handlers: {
      async find(_, kind) {
        const handler = handlers[kind]
        if (!handler) throw taskErrors.unknown_kind(`nothing does ${kind}`)
        return handler
      },
    },
    inbox: () => (holder.engine as Engine).inbox,
    concurrency: options.concurrency ?? 10,
    defaultAttempts: 3,
    deadLetterCopies: options.deadLetterCopies,
  })
  const engine = makeEngine({
    ...carrying,
    hub: options.hub ?? makeEventHub(),
    workers,
    tasks,
    programs: options.programs ?? {
      async locate({ target }) {
        if (!workflows[target]) throw engineErrors.program_not_loaded(`there is no workflow "${target}"`)
        return { version: 1, projectId: null }
      },
      load: async (run) => workflows[run.target],
    },
    liveMax: options.liveMax ?? 100,
  })
  holder.engine = engine
  await workers.join()
  const dead = await workers.dead()
  await tasks.takeOver(dead)
  await engine.takeOver(dead)
  await workers.forget(dead)
  await bus.start()
  if (does.includes('runs')) await engine.start()
  if (does.includes('tasks')) tasks.startExecutor()
  const sweepers = [engine.sweeper, tasks.sweepers.due, tasks.sweepers.answers]
  for (const sweeper of sweepers) await sweeper.start()

  const run: TestEngine['run'] = async (target, input = null, more = {}) => {
    const created = await engine.create({
      tenantId,
      projectId: null,
      kind: 'workflow',
      target,
      input,
      priority: 3,
      ...more,
    })
    return created.run
  }
  const wait: TestEngine['wait'] = (runId, timeoutMs = PATIENCE_MS) => engine.wait(tenantId, runId, timeoutMs)
  const stop = async (graceMs = 1000): Promise<void> => {
    for (const sweeper of sweepers) sweeper.stop()
    await engine.stop(graceMs)
    await tasks.stop(graceMs)
    await shared.stop()
  }
  return {
    engine,
    tasks,
    tenantId,
    workerId,
    bus,
    run,
    wait,
    async result(target, input, more) {
      return wait((await run(target, input, more)).id)
    },
    stop,
    async crash() {
      crashed = true
      shared.cut()
      void stop(0)
      await new Promise((resolve) => setTimeout(resolve, 5))
    },
  }
}
