import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { BACKENDS } from '../../test/support/backends.ts'
import { startTestEngine, type TestEngine } from '../../test/support/engine.ts'
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
}

interface Processes {
  readonly maker: TestEngine
  readonly carrier: TestEngine
  readonly executor: TestEngine
  /** Transactions of the executor. */
  commits(): number
  kill(engine: TestEngine): Promise<void>
  /** A new process that can do all. */
  add(): Promise<TestEngine>
}

const until = async (check: () => unknown | Promise<unknown>): Promise<void> => {
  for (let i = 0; i < 1000; i++) {
    if (await check()) return
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error('waited in vain')
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
      const carrier = await startTestEngine({ ...common, db, does: ['runs'] })
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
        await until(async () => {
          const before = commits
          const { id, workerId } = await maker.run('steps')
          const run = await maker.wait(id)
          assert.deepEqual([run.status, run.output], ['completed', 15])
          return commits === before && workerId === carrier.workerId
        })
        await body({ maker, carrier, executor, commits: () => commits, kill, add })
      } finally {
        for (const each of living) await each.stop(0)
      }
    })
  }

  withProcesses(
    'a run starts with its birth at its carrier, its tasks at the executor, and their ends are committed with what follows',
    {},
    async ({ maker, carrier, executor, commits }) => {
      const before = commits()
      const { id, workerId, status } = await maker.run('steps')
      assert.deepEqual([workerId, status], [carrier.workerId, 'running'])
      assert.equal((await maker.wait(id)).output, 15)
      const tasks = await maker.tasks.tasks.list(maker.tenantId, { limit: STEPS })
      assert.deepEqual(
        tasks.map(({ runId, status, attempt }) => [runId, status, attempt]),
        Array.from({ length: STEPS }, () => [id, 'completed', 1]),
      )
      assert.equal(commits(), before)
      assert.equal(executor.tasks.active, 0)
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
    await until(() => lives === 1)
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
    await until(() => ends === 1)
    const before = commits()
    await processes.kill(carrier)
    gate.resolve()
    await until(async () => (await executor.tasks.tasks.list(maker.tenantId, { limit: 1 }))[0]?.status === 'completed')
    assert.equal(commits(), before + 1)
    const successor = await processes.add()
    await successor.engine.takeOver([carrier.workerId])
    assert.deepEqual([(await maker.wait(id)).output, ends], ['late', 1])
  })
}
