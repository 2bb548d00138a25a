import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { BACKENDS } from '../../test/support/backends.ts'
import { startTestEngine, type TestEngine } from '../../test/support/engine.ts'
import { until } from '../../test/support/until.ts'
import type { WorkflowFunction } from '../engine/index.ts'
import { AppError } from '../platform/errors.ts'
import type { TaskHandler } from './index.ts'

const STEPS = 5

const workflows: Record<string, WorkflowFunction> = {
  async steps(ctx) {
    let sum = 0
    for (let i = 0; i < STEPS; i++) sum += (await ctx.task('add', i)) as number
    return sum
  },
  async parent(ctx) {
    return ctx.run('steps')
  },
  async failing(ctx) {
    return ctx.task('refuse', null, { retry: { attempts: 1 } }).catch((error: Error) => error.message)
  },
  large: (ctx) => ctx.task('large', 'x'.repeat(40_000)),
  slow: (ctx) => ctx.task('slow'),
  asking: (ctx) => ctx.signal('answer'),
}

interface Processes {
  readonly maker: TestEngine
  readonly carrier: TestEngine
  readonly executor: TestEngine
  /** Transactions of the executor. */
  commits(): number
  /** What the carrier has committed is answered when that resolves. */
  holdCarrier(until: Promise<void>): void
  kill(engine: TestEngine): Promise<void>
  /** A new process that can do all. */
  add(): Promise<TestEngine>
}

/** One process makes runs, one carries them, one does their tasks: only where processes can reach each other. */
for (const backend of BACKENDS.filter(({ name }) => name.includes('Redis'))) {
  const withProcesses = (
    title: string,
    more: Record<string, TaskHandler>,
    body: (processes: Processes) => Promise<void>,
  ): void => {
    test(`${title}, on ${backend.name}`, async () => {
      const { db, hub } = await backend.open()
      const tenantId = randomUUID()
      const handlers: Record<string, TaskHandler> = {
        add: async (input) => (input as number) + 1,
        async refuse() {
          throw new AppError('refused', 'not today')
        },
        large: async (input) => `${input as string}!`,
        ...more,
      }
      let commits = 0
      const counting = {
        ...db,
        commit(unit: Parameters<typeof db.commit>[0]) {
          commits++
          return db.commit(unit)
        },
      }
      const common = { hub, tenantId, workflows, handlers, leaseMs: 600_000 }
      const executor = await startTestEngine({ ...common, db: counting, does: ['tasks'] })
      let held = Promise.resolve()
      const holding = { ...db, commit: (unit: Parameters<typeof db.commit>[0]) => db.commit(unit).then(() => held) }
      const carrier = await startTestEngine({ ...common, db: holding, does: ['runs'] })
      const maker = await startTestEngine({ ...common, db, does: [] })
      const living = new Set([maker, carrier, executor])
      const kill = (engine: TestEngine): Promise<void> => {
        living.delete(engine)
        return engine.crash()
      }
      const add = async (): Promise<TestEngine> => {
        const made = await startTestEngine({ ...common, db })
        living.add(made)
        return made
      }
      try {
        // Places are lent from the first wish on.
        await until('places to be lent', async () => {
          const before = commits
          const { id, workerId } = await maker.run('steps')
          const run = await maker.wait(id)
          assert.deepEqual([run.status, run.output], ['completed', 15])
          return commits === before && workerId === carrier.workerId
        })
        const holdCarrier = (until: Promise<void>): void => {
          held = until
        }
        await body({ maker, carrier, executor, commits: () => commits, holdCarrier, kill, add })
      } finally {
        held = Promise.resolve()
        for (const each of living) await each.stop(0)
      }
    })
  }

  withProcesses(
    'a run starts with its birth at its carrier, its tasks at the executor, and their ends are committed with what follows',
    {},
    async ({ maker, carrier, executor, commits }) => {
      // A place is not always free at that moment: what has none goes through the queue.
      const id = await until('a run that needs no commit of the executor', async () => {
        const before = commits()
        const run = await maker.run('steps')
        assert.equal((await maker.wait(run.id)).output, 15)
        const isLent = run.workerId === carrier.workerId && run.status === 'running'
        return isLent && commits() === before && run.id
      })
      const tasks = await maker.tasks.tasks.list(maker.tenantId, { limit: STEPS })
      assert.deepEqual(
        tasks.map(({ runId, status, attempt }) => [runId, status, attempt]),
        Array.from({ length: STEPS }, () => [id, 'completed', 1]),
      )
      await until('the places to be free', () => executor.tasks.active === 0)
    },
  )

  withProcesses(
    'children, failures and what is too large to travel end as they do in one process',
    {},
    async ({ maker }) => {
      assert.equal((await maker.result('parent')).output, 15)
      assert.equal((await maker.result('failing')).output, 'not today')
      assert.equal((await maker.result('large')).output, `${'x'.repeat(40_000)}!`)
    },
  )

  let lives = 0
  const slow: TaskHandler = () => (++lives === 1 ? new Promise<never>(() => {}) : Promise.resolve('done'))
  withProcesses('a task that was handed to an executor that dies is done by another', { slow }, async (processes) => {
    const { maker, executor } = processes
    const other = await processes.add()
    const { id } = await maker.run('slow')
    await until('the first attempt', () => lives === 1)
    const [task] = await maker.tasks.tasks.list(maker.tenantId, { runId: id, limit: 1 })
    const victim = task?.workerId === executor.workerId ? executor : other
    await processes.kill(victim)
    await maker.tasks.takeOver([victim.workerId])
    assert.deepEqual([(await maker.wait(id)).output, lives], ['done', 2])
  })

  const gate = Promise.withResolvers<void>()
  let ends = 0
  const gated: TaskHandler = async () => {
    ends++
    await gate.promise
    return 'late'
  }
  withProcesses('an end whose carrier died is committed by the executor', { slow: gated }, async (processes) => {
    const { maker, carrier, executor, commits } = processes
    const { id } = await maker.run('slow')
    await until('the attempt', () => ends === 1)
    const before = commits()
    await processes.kill(carrier)
    gate.resolve()
    await until(
      'the end',
      async () => (await executor.tasks.tasks.list(maker.tenantId, { limit: 1 }))[0]?.status === 'completed',
    )
    assert.equal(commits(), before + 1)
    const successor = await processes.add()
    await successor.engine.takeOver([carrier.workerId])
    assert.deepEqual([(await maker.wait(id)).output, ends], ['late', 1])
  })

  /** The run's task is written as the executor's, who has not been told of it yet. */
  const untilTaken = async (processes: Processes): Promise<{ runId: string; tell(): void }> => {
    const { maker, carrier, executor, holdCarrier } = processes
    const taskOf = async (runId: string) => (await maker.tasks.tasks.list(maker.tenantId, { runId, limit: 1 }))[0]
    const told = Promise.withResolvers<void>()
    holdCarrier(told.promise)
    const { id: runId, workerId } = await maker.run('slow')
    if (workerId === carrier.workerId) {
      const task = await until('the task to be begun', async () => {
        const found = await taskOf(runId)
        return found !== undefined && found.status !== 'queued' && found
      })
      // What came by the queue is done at once.
      await new Promise((resolve) => setTimeout(resolve, 100))
      const isUntold = (await taskOf(runId))?.status === 'running' && task.workerId === executor.workerId
      if (isUntold) return { runId, tell: told.resolve }
    }
    // No place was lent at that moment, for the run or for its task.
    told.resolve()
    await maker.wait(runId)
    return untilTaken(processes)
  }

  let attempts = 0
  const counted: TaskHandler = async () => ++attempts
  withProcesses(
    'a task that arrives at an executor that has stopped is done by another',
    { slow: counted },
    async (processes) => {
      const { maker, executor } = processes
      const { runId, tell } = await untilTaken(processes)
      attempts = 0
      await executor.tasks.stop(0)
      tell()
      const [task] = await maker.tasks.tasks.list(maker.tenantId, { runId, limit: 1 })
      await until(
        'the task to be given back',
        async () => (await maker.tasks.tasks.byId(task?.id as string))?.status === 'queued',
      )
      await processes.add()
      assert.deepEqual([(await maker.wait(runId)).output, attempts], [1, 1])
    },
  )

  withProcesses(
    'a task whose executor died before it was told is made anew at once',
    { slow: counted },
    async (processes) => {
      const { maker, executor } = processes
      const { runId, tell } = await untilTaken(processes)
      attempts = 0
      await processes.kill(executor)
      await maker.bus.declareGone([executor.workerId])
      tell()
      await processes.add()
      assert.deepEqual([(await maker.wait(runId)).output, attempts], [1, 1])
    },
  )

  const late = Promise.withResolvers<void>()
  let begun = 0
  const afterStop: TaskHandler = async () => {
    begun++
    await late.promise
    return 'after the stop'
  }
  withProcesses('runs go on elsewhere as soon as their carrier stops', { slow: afterStop }, async (processes) => {
    const { maker, carrier } = processes
    const { id: waiting } = await maker.run('asking')
    const { id: working } = await maker.run('slow')
    await until(
      'both to be under way',
      async () => begun === 1 && (await maker.engine.runs.byId(waiting))?.status === 'waiting',
    )
    await processes.add()
    await carrier.engine.stop(0)
    late.resolve()
    await maker.engine.signal(maker.tenantId, waiting, 'answer', 'yes')
    assert.deepEqual(
      [(await maker.wait(working)).output, (await maker.wait(waiting)).output, begun],
      ['after the stop', 'yes', 1],
    )
  })
}
