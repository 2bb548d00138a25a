/** What one process decides about a task while another changes it: each of these tests fails without the mend it stands for. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DATABASES } from '../../test/support/databases.ts'
import { startTestEngine, type TestEngine } from '../../test/support/engine.ts'
import { until } from '../../test/support/until.ts'
import { commandsOf, compileRetry, type WorkflowContext, type WorkflowFunction } from '../engine/index.ts'
import { systemClock } from '../platform/clock.ts'
import type { Database } from '../platform/db/database.ts'
import type { Unit } from '../platform/db/group-commit.ts'
import type { Json } from '../platform/json.ts'
import { makeAgain } from './again.ts'
import { guardTask, parkTask, rescheduleTask } from './rows.ts'
import type { DeadLetter, Task } from './types.ts'

const HOUR_MS = 3_600_000

const writes = (unit: Unit, name: string): boolean => unit.writes.some(({ statement }) => statement.name === name)

const standing = (engine: TestEngine) =>
  ({ tenantId: engine.tenantId, projectId: null, kind: 'call', input: null, priority: 3 }) as const

/** A task that waits for the holder of a token, once it has been done. */
const asked = (ctx: WorkflowContext, { heartbeatMs }: { readonly heartbeatMs?: number } = {}): Promise<Json> => {
  const base = { kind: 'task', key: 'ask', resource: 'call', input: null, retry: compileRetry(undefined, 1) } as const
  const rest = { priority: undefined, delayMs: undefined, timeoutMs: undefined, heartbeatMs, waitForToken: true }
  return commandsOf(ctx).request({ ...base, ...rest, token: 'secret' }, ctx.abortSignal)
}

for (const kind of DATABASES) {
  const redrives = {
    redrive: (again: ReturnType<typeof makeAgain>, { tenantId, id }: DeadLetter) => again.redrive(tenantId, id),
    redriveLetter: (again: ReturnType<typeof makeAgain>, letter: DeadLetter) => again.redriveLetter(letter),
    discard: (again: ReturnType<typeof makeAgain>, { tenantId, id }: DeadLetter) => again.discard(tenantId, id),
  }
  for (const [name, again] of Object.entries(redrives)) {
    test(`${name}() leaves a task alone that another process has redriven and done, on ${kind.name}`, async (t) => {
      const { db } = await kind.open()
      let calls = 0
      const call = async () => {
        if (++calls === 1) throw new Error('the service is away')
        return calls
      }
      const other = await startTestEngine({ db, handlers: { call } })
      t.after(() => other.stop())
      const { task } = await other.tasks.create({ ...standing(other), retry: { attempts: 1 } })
      const statusOf = async () => (await other.tasks.find(other.tenantId, task.id)).status
      await until('the task to be dead', async () => (await statusOf()) === 'dead')
      const letter = (await other.tasks.tasks.deadLetterOf(task.id)) as DeadLetter
      let isRedriven = false
      const here = makeAgain({
        ...{ db, clock: systemClock, tasks: other.tasks.tasks, offer: () => {}, resolved: () => {} },
        async find(owner, id) {
          if (!isRedriven) {
            isRedriven = true
            await other.tasks.redrive(other.tenantId, letter.id)
            await until('the task to be done', async () => (await statusOf()) === 'completed')
          }
          return other.tasks.find(owner, id)
        },
      })
      await assert.rejects(again(here, letter), { code: 'dead_letter_resolved' })
      const { status, output } = await other.tasks.find(other.tenantId, task.id)
      assert.deepEqual([status, output, calls], ['completed', 2, 2])
    })
  }

  /** An attempt is about to end when its process is taken for dead: its end is committed before the other writes that it was lost. */
  const takeOverLate = async (victim: TestEngine, db: Database, end: () => void, status: string): Promise<Task> => {
    const task = async (): Promise<Task> => (await victim.tasks.tasks.list(victim.tenantId, { limit: 1 }))[0] as Task
    await until('the attempt', () => victim.tasks.active === 1)
    const late: Database = {
      ...db,
      async commit(unit) {
        if (writes(unit, 'requeue_task')) {
          end()
          await until('the end of the attempt', async () => (await task()).status === status)
        }
        return db.commit(unit)
      },
    }
    const other = await startTestEngine({ db: late, tenantId: victim.tenantId, does: [], leaseMs: 600_000 })
    try {
      await other.tasks.takeOver([victim.workerId])
      return await task()
    } finally {
      await other.stop(0)
    }
  }

  test(`a failed attempt that is taken for lost waits for its next all the same, on ${kind.name}`, async (t) => {
    const { db } = await kind.open()
    const gate = Promise.withResolvers<never>()
    const victim = await startTestEngine({ db, handlers: { call: () => gate.promise }, leaseMs: 600_000 })
    t.after(() => victim.stop(0))
    await victim.tasks.create({ ...standing(victim), retry: { attempts: 2, delay: HOUR_MS } })
    const fail = (): void => gate.reject(new Error('the service is away'))
    const { status, lost } = await takeOverLate(victim, db, fail, 'scheduled')
    assert.deepEqual([status, lost], ['scheduled', 0])
  })

  test(`a task that waits for its answer is not done again when its attempt is taken for lost, on ${kind.name}`, async (t) => {
    const { db } = await kind.open()
    const gate = Promise.withResolvers<string>()
    const w: WorkflowFunction = (ctx) => asked(ctx)
    const common = { db, workflows: { w }, handlers: { call: () => gate.promise }, leaseMs: 600_000 }
    const victim = await startTestEngine(common)
    t.after(() => victim.stop(0))
    const { id } = await victim.run('w')
    const { status, lost } = await takeOverLate(victim, db, () => gate.resolve('asked'), 'waiting')
    assert.deepEqual([status, lost], ['waiting', 0])
    await victim.tasks.answers.answer(victim.tenantId, 'secret', { output: 'yes' })
    assert.equal((await victim.wait(id)).output, 'yes')
  })

  for (const what of ['answer', 'heartbeat'] as const) {
    test(`the ${what} of a task whose attempt ends at that moment is taken, and its run goes on, on ${kind.name}`, async (t) => {
      const { db: real } = await kind.open()
      const sent = Promise.withResolvers<string>()
      const over = Promise.withResolvers<void>()
      let begun = 0
      const step = async (): Promise<void> => {
        begun++
        await over.promise
      }
      const w: WorkflowFunction = (ctx) =>
        ctx.all<unknown>([(b) => asked(b, { heartbeatMs: HOUR_MS }), (b) => b.step('under way', step)])
      const task = async (): Promise<Task> => (await engine.tasks.tasks.list(engine.tenantId, { limit: 1 }))[0] as Task
      const name = { answer: 'pass_task_fence', heartbeat: 'set_wait_deadline' }[what]
      let isLate = false
      const db: Database = {
        ...real,
        async commit(unit) {
          if (!isLate && writes(unit, name)) {
            isLate = true
            const { id, fence } = await task()
            sent.resolve('sent')
            if (what === 'heartbeat') await until('the wait', async () => (await task()).status === 'waiting')
            // Once the task is being answered its attempt is called off here: one that ended just before has this on its way.
            else await real.commit({ guards: [guardTask({ id, fence })], writes: [parkTask(id, null)] })
          }
          return real.commit(unit)
        },
      }
      const engine = await startTestEngine({ db, workflows: { w }, handlers: { call: () => sent.promise } })
      t.after(() => engine.stop(0))
      const { id } = await engine.run('w')
      await until('the attempt', () => engine.tasks.active === 1)
      if (what === 'heartbeat') {
        await engine.tasks.answers.heartbeat(engine.tenantId, 'secret', 'half')
        assert.equal((await task()).progress, 'half')
      }
      await engine.tasks.answers.answer(engine.tenantId, 'secret', { output: 'yes' })
      over.resolve()
      assert.deepEqual([(await engine.wait(id)).output, isLate, begun], [['yes', null], true, 1])
    })
  }

  test(`an answer that was written, and whose commit nobody answered, is not refused, on ${kind.name}`, async (t) => {
    const { db: real } = await kind.open()
    let isDeaf = false
    const db: Database = {
      ...real,
      async commit(unit) {
        await real.commit(unit)
        if (isDeaf || !writes(unit, 'pass_task_fence')) return
        isDeaf = true
        throw Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
      },
    }
    const call = () => new Promise<never>(() => {})
    const engine = await startTestEngine({ db, workflows: { w: (ctx) => asked(ctx) }, handlers: { call } })
    t.after(() => engine.stop(0))
    const { id } = await engine.run('w')
    await until('the attempt', () => engine.tasks.active === 1)
    await engine.tasks.answers.answer(engine.tenantId, 'secret', { output: 'yes' })
    assert.deepEqual([(await engine.wait(id)).output, isDeaf], ['yes', true])
  })

  test(`a task that has got another time meanwhile is not queued before it, on ${kind.name}`, async (t) => {
    const { db: real } = await kind.open()
    let isSwept = false
    const db: Database = {
      ...real,
      async commit(unit) {
        const due = unit.writes.find(({ statement }) => statement.name === 'queue_due_task')
        const later = Date.now() + HOUR_MS
        if (due && !isSwept) {
          // Another process has queued it, and its attempt has failed.
          await real.commit({
            writes: [rescheduleTask(due.row[0] as string, later, { code: 'away', message: 'away' })],
          })
        }
        await real.commit(unit)
        if (due) isSwept = true
      },
    }
    const engine = await startTestEngine({ db, handlers: { call: async () => 1 } })
    t.after(() => engine.stop())
    const { task } = await engine.tasks.create({ ...standing(engine), runAtMs: Date.now() + 20 })
    await until('the sweep', () => isSwept)
    assert.equal((await engine.tasks.find(engine.tenantId, task.id)).status, 'scheduled')
  })
}
