import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BACKENDS } from '../../test/support/backends.ts'
import { startTestEngine } from '../../test/support/engine.ts'
import { onEngine } from '../../test/support/on-engine.ts'
import { until } from '../../test/support/until.ts'
import type { Database } from '../platform/db/database.ts'
import { makeEventLog } from '../platform/events/log.ts'
import { NonRetryableError, type Run, type WorkflowFunction } from './index.ts'

const refuse = (): never => {
  throw new Error('not for you')
}
const AROUND: { self?: unknown } = {}
AROUND.self = AROUND
const NAMES = ['a', 'b', 'c', 'd']
const ODD: readonly unknown[] = [undefined, null, new Proxy({}, { get: refuse, getPrototypeOf: refuse })]

const waitsTold = async (db: Database, { tenantId, id: runId }: Run): Promise<unknown[]> => {
  const events = await makeEventLog(db).readNow({ tenantId, runId, afterId: 0, limit: 100 })
  return events.flatMap(({ type, data }) => (type === 'run.waiting' ? [data.for] : []))
}

for (const database of BACKENDS) {
  const name = (title: string): string => `engine on ${database.name}: ${title}`
  const withEngine = onEngine(database)

  withEngine(
    'a run returns what its function returns',
    {
      workflows: {
        sum: async (ctx, input) => {
          const [a, b] = input as number[]
          const doubled = await ctx.step('double', () => a! * 2)
          return ctx.step('add', () => doubled + b!)
        },
      },
    },
    async (engine) => {
      const run = await engine.result('sum', [20, 2])
      assert.equal(run.status, 'completed')
      assert.equal(run.output, 42)
      const stored = await engine.engine.runs.find(engine.tenantId, run.id)
      assert.equal(stored?.status, 'completed')
      assert.deepEqual(
        (await engine.engine.runs.journal(run.id)).map((entry) => [entry.position, entry.key, entry.value]),
        [
          [1, 'double', 40],
          [2, 'add', 42],
        ],
      )
      const keys = async (page: { after?: number; limit: number }) =>
        (await engine.engine.runs.steps(run.id, page)).map(({ key }) => key)
      assert.deepEqual([await keys({ limit: 1 }), await keys({ after: 1, limit: 9 })], [['double'], ['add']])
    },
  )

  withEngine(
    'a task runs on the executor and its result returns to the run',
    {
      workflows: { greet: async (ctx, input) => ctx.task('greeting', input) },
      handlers: { greeting: async (input) => `hello ${String(input)}` },
    },
    async (engine) => {
      const run = await engine.result('greet', 'world')
      assert.equal(run.output, 'hello world')
    },
  )

  withEngine(
    'a step or task that throws nothing, or what cannot be looked at, is tried again and ends like any other',
    {
      workflows: {
        step: (ctx, input) =>
          ctx.step('odd', () => Promise.reject(ODD[Number(input)]), { retry: { attempts: 2, delay: 0 } }),
        task: (ctx, input) => ctx.task('odd', input, { retry: { attempts: 2, delay: 0 } }),
      },
      handlers: { odd: (input) => Promise.reject(ODD[Number(input)]) },
    },
    async (engine) => {
      for (const target of ['step', 'task']) {
        for (const which of ODD.keys()) {
          assert.equal((await engine.result(target, which)).status, 'failed', `${target} ${which}`)
        }
      }
    },
  )

  withEngine(
    'a run that goes from one wait to another without a pause tells what it waits for now',
    {
      workflows: {
        waits: async (ctx) => {
          await ctx.signal('first')
          await ctx.signal('second')
          await ctx.sleep('1 day')
        },
      },
    },
    async ({ engine, tenantId, run: start }, db) => {
      const run = await start('waits')
      const waitsFor = (what: string) =>
        until(what, async () => (await engine.runs.find(tenantId, run.id))?.waitingFor === what)
      await waitsFor('signal:first')
      await engine.signal({ tenantId, projectId: null }, run.id, 'first', null)
      await waitsFor('signal:second')
      await engine.signal({ tenantId, projectId: null }, run.id, 'second', null)
      await waitsFor('timer')
      assert.deepEqual(await waitsTold(db, run), ['signal:first', 'signal:second', 'timer'])
    },
  )

  withEngine(
    'of many waits at once the timeline tells once, and the run which one it is',
    { workflows: { asks: (ctx) => ctx.map(NAMES, (name, _, branch) => branch.signal(name)) } },
    async ({ engine, tenantId, run: start, wait }, db) => {
      const run = await start('asks')
      for (const name of NAMES) {
        const waitsForIt = async () => (await engine.runs.find(tenantId, run.id))?.waitingFor === `signal:${name}`
        await until(`the run to wait for ${name}`, waitsForIt)
        await engine.signal({ tenantId, projectId: null }, run.id, name, null)
      }
      await wait(run.id)
      assert.deepEqual(await waitsTold(db, run), ['signal:a'])
    },
  )

  withEngine(
    'branches that are promises are refused with what to give instead',
    {
      workflows: {
        all: (ctx) => ctx.all([ctx.step('a', () => 1) as never]),
        race: (ctx) => ctx.race([async () => 1, 2 as never]),
        odd: (ctx) => ctx.all([AROUND as never]),
      },
    },
    async (engine) => {
      for (const [target, given] of [
        ['all', 'branch 0 is a promise; give functions'],
        ['race', 'branch 1 is 2; give functions'],
        ['odd', 'branch 0 is [object Object]; give functions'],
      ] as const) {
        const { error } = await engine.result(target)
        assert.equal(error?.code, 'branches_invalid')
        assert.ok(error.message.startsWith(given), error.message)
      }
    },
  )

  withEngine(
    'a run that takes longer than its time limit ends as timed_out',
    { workflows: { endless: (ctx) => ctx.signal('never') } },
    async (engine) => {
      const run = await engine.result('endless', null, { timeoutMs: 50 })
      assert.equal(run.status, 'timed_out')
    },
  )

  withEngine(
    'a child run gives its output to its parent, and its failure',
    {
      workflows: {
        parent: async (ctx) => {
          const good = await ctx.run<number>('child', 4)
          const bad = await ctx.run('child', 'x').catch((error: { code: string }) => error.code)
          const missing = await ctx.run('nobody').catch((error: { code: string }) => error.code)
          return [good, bad, missing]
        },
        child: (ctx, input) =>
          ctx.step('half', () => {
            if (typeof input !== 'number') throw new NonRetryableError('no number', { code: 'no_number' })
            return input / 2
          }),
      },
    },
    async (engine) => {
      assert.deepEqual((await engine.result('parent')).output, [2, 'no_number', 'program_not_loaded'])
    },
  )

  withEngine(
    'a cancelled run calls off what it waits for and may clean up',
    {
      workflows: {
        careful: async (ctx) => {
          try {
            await ctx.signal('never')
          } finally {
            await ctx.step('clean up', () => 'done')
          }
        },
      },
    },
    async (engine) => {
      const run = await engine.run('careful')
      await until('waiting', async () => (await engine.engine.runs.byId(run.id))?.status === 'waiting')
      await engine.engine.cancel(engine.tenantId, run.id)
      const ended = await engine.wait(run.id)
      assert.equal(ended.status, 'cancelled')
      assert.deepEqual(
        (await engine.engine.runs.journal(run.id)).map((entry) => entry.key),
        ['cancel', 'clean up'],
      )
    },
  )

  withEngine(
    'the same idempotency key starts one run, and another input is a conflict',
    { workflows: { noop: async () => 1 } },
    async (engine) => {
      const first = await engine.run('noop', 1, { idempotencyKey: 'k' })
      const second = await engine.run('noop', 1, { idempotencyKey: 'k' })
      assert.equal(first.id, second.id)
      await assert.rejects(engine.run('noop', 2, { idempotencyKey: 'k' }), { code: 'idempotency_conflict' })
    },
  )

  withEngine(
    "another tenant's run does not exist",
    { workflows: { noop: (ctx) => ctx.signal('x') } },
    async (engine) => {
      const run = await engine.run('noop')
      await assert.rejects(engine.engine.cancel('someone-else', run.id), { code: 'run_not_found' })
      await assert.rejects(engine.engine.signal('someone-else', run.id, 'x', null), { code: 'run_not_found' })
    },
  )

  test(name('more runs than fit into memory all complete'), async () => {
    const { db } = await database.open()
    const workflows: Record<string, WorkflowFunction> = {
      w: async (ctx, input) => {
        await ctx.step('one', () => 1)
        await ctx.signal('go')
        return input
      },
    }
    const engine = await startTestEngine({ db, workflows, liveMax: 5, windowSize: 10 })
    const runs = await Promise.all(Array.from({ length: 40 }, (_, i) => engine.run('w', i)))
    await until('all waiting', async () => (await engine.engine.runs.countOpen()).waiting === 40)
    await until('the rest to be let go of', () => engine.engine.stats.live <= 6)
    await Promise.all(runs.map((run) => engine.engine.signal(engine.tenantId, run.id, 'go', null)))
    const ended = await Promise.all(runs.map((run) => engine.wait(run.id)))
    assert.deepEqual(
      ended.map((run) => run.output),
      runs.map((_, i) => i),
    )
    await engine.stop()
  })
}
