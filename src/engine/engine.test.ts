import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { BACKENDS } from '../../test/support/backends.ts'
import { startTestEngine, type TestEngine, type TestEngineOptions } from '../../test/support/engine.ts'
import { until } from '../../test/support/until.ts'
import { makeFakeClock } from '../platform/clock.ts'
import { NonRetryableError, type WorkflowFunction } from './index.ts'

for (const database of BACKENDS) {
  const name = (title: string): string => `engine on ${database.name}: ${title}`

  const withEngine = (
    title: string,
    options: Omit<TestEngineOptions, 'db'>,
    body: (engine: TestEngine, db: TestEngineOptions['db']) => Promise<void>,
  ): void => {
    test(name(title), async () => {
      const { db } = await database.open()
      const engine = await startTestEngine({ db, ...options })
      try {
        await body(engine, db)
      } finally {
        await engine.stop()
      }
    })
  }

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

  let tries = 0
  withEngine(
    'a step is tried again and then succeeds',
    {
      workflows: {
        flaky: (ctx) =>
          ctx.step(
            'flaky',
            ({ attempt }) => {
              tries++
              if (attempt < 3) throw new Error('not yet')
              return attempt
            },
            { retry: { attempts: 3, delay: 5, backoff: 'constant' } },
          ),
      },
    },
    async (engine) => {
      tries = 0
      const run = await engine.result('flaky')
      assert.equal(run.output, 3)
      assert.equal(tries, 3)
    },
  )

  withEngine(
    'a non-retryable error fails the run at once, with its code',
    {
      workflows: {
        bad: (ctx) =>
          ctx.step(
            'bad',
            () => {
              throw new NonRetryableError('wrong card', { code: 'card_refused' })
            },
            { retry: { attempts: 5, delay: 1 } },
          ),
      },
    },
    async (engine) => {
      const run = await engine.result('bad')
      assert.equal(run.status, 'failed')
      assert.equal(run.error?.code, 'card_refused')
      assert.equal(run.error?.message, 'wrong card')
    },
  )

  withEngine(
    'a step that takes longer than its time-out fails',
    { workflows: { slow: (ctx) => ctx.step('slow', () => new Promise(() => {}), { timeout: 20 }) } },
    async (engine) => {
      const run = await engine.result('slow')
      assert.equal(run.error?.code, 'step_timeout')
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
    'a signal reaches a waiting run, and one sent before is kept',
    {
      workflows: {
        approve: async (ctx) => {
          const first = await ctx.signal('go')
          const second = await ctx.signal<string>('go')
          return [first, second]
        },
      },
    },
    async (engine) => {
      const run = await engine.run('approve')
      await engine.engine.signal(engine.tenantId, run.id, 'go', 'one')
      await engine.engine.signal(engine.tenantId, run.id, 'other', 'x')
      await engine.engine.signal(engine.tenantId, run.id, 'go', 'two')
      assert.deepEqual((await engine.wait(run.id)).output, ['one', 'two'])
    },
  )

  withEngine(
    'a signal that does not come in time rejects',
    {
      workflows: {
        patient: async (ctx) => {
          try {
            return await ctx.signal('go', { timeout: 30 })
          } catch (error) {
            return (error as { code: string }).code
          }
        },
      },
    },
    async (engine) => {
      assert.equal((await engine.result('patient')).output, 'signal_timeout')
    },
  )

  withEngine(
    'map keeps order and its concurrency',
    {
      workflows: {
        mapped: async (ctx, input) => {
          return ctx.map(input as number[], (item, _, branch) => branch.task<number>('square', item), {
            concurrency: 3,
          })
        },
      },
      handlers: { square: async (input) => Number(input) ** 2 },
    },
    async (engine) => {
      const numbers = Array.from({ length: 20 }, (_, i) => i)
      const run = await engine.result('mapped', numbers)
      assert.deepEqual(
        run.output,
        numbers.map((n) => n * n),
      )
    },
  )

  let aborted = false
  withEngine(
    'race gives the first, and its losers are called off',
    {
      workflows: {
        racing: (ctx) => ctx.race([(b) => b.task('slow'), (b) => b.sleep(20).then(() => 'time')]),
      },
      handlers: {
        slow: (_, call) =>
          new Promise((resolve) => {
            call.signal.addEventListener('abort', () => {
              aborted = true
              resolve(null)
            })
          }),
      },
    },
    async (engine) => {
      aborted = false
      const run = await engine.result('racing')
      assert.equal(run.output, 'time')
      await until('the abort', () => aborted)
      const [task] = await engine.tasks.tasks.ofRun(run.id)
      assert.equal(task?.status, 'cancelled')
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

  test(name('after a crash finished steps are not done again'), async () => {
    const { db } = await database.open()
    const done: string[] = []
    const program: WorkflowFunction = async (ctx) => {
      const now = ctx.now()
      const id = ctx.uuid()
      const a = await ctx.step('a', () => done.push('a'))
      const b = await ctx.all([(c) => c.step('b1', () => done.push('b1')), (c) => c.task<number>('work', 'b2')])
      const go = await ctx.signal('go')
      const c = await ctx.step('c', () => done.push('c'))
      return { a, b, go, c, now, id, same: ctx.uuid() !== id }
    }
    const handlers = { work: async (input: unknown) => done.push(String(input)) }
    const first = await startTestEngine({ db, workflows: { long: program }, handlers })
    const run = await first.run('long')
    await until('the signal wait', async () => (await first.engine.runs.byId(run.id))?.status === 'waiting')
    await first.crash()
    const second = await startTestEngine({ db, workflows: { long: program }, handlers, tenantId: first.tenantId })
    await second.engine.signal(second.tenantId, run.id, 'go', true)
    const ended = await second.wait(run.id)
    assert.equal(ended.status, 'completed', JSON.stringify(ended.error))
    assert.deepEqual(done.toSorted(), ['a', 'b1', 'b2', 'c'])
    assert.equal((ended.output as { now: number }).now, run.startedAtMs)
    await second.stop()
  })

  test(name('a task whose process died is made again'), async () => {
    const { db } = await database.open()
    let calls = 0
    const workflows: Record<string, WorkflowFunction> = { long: (ctx) => ctx.task('work') }
    const stuck = await startTestEngine({
      db,
      workflows,
      handlers: {
        work: () => {
          calls++
          return new Promise(() => {})
        },
      },
    })
    const run = await stuck.run('long')
    await until('the first attempt', () => calls === 1)
    await stuck.crash()
    const { tenantId } = stuck
    const second = await startTestEngine({ db, workflows, handlers: { work: async () => ++calls }, tenantId })
    assert.equal((await second.wait(run.id)).output, 2)
    await second.stop()
  })

  test(name('a sleep survives a crash'), async () => {
    const { db } = await database.open()
    const workflows: Record<string, WorkflowFunction> = {
      sleepy: async (ctx) => {
        const sinceMs = await ctx.now()
        await ctx.sleep(60_000)
        return (await ctx.now()) - sinceMs
      },
    }
    const clock = makeFakeClock(Date.now())
    const first = await startTestEngine({ db, workflows, clock })
    const run = await first.run('sleepy')
    const statusIn = async (engine: TestEngine) => (await engine.engine.runs.byId(run.id))?.status
    await until('the sleep', async () => (await statusIn(first)) === 'waiting')
    clock.advance(40_000)
    await first.crash()
    const second = await startTestEngine({ db, workflows, tenantId: first.tenantId, clock })
    clock.advance(19_000)
    await wait(50)
    assert.equal(await statusIn(second), 'waiting')
    await until('its end', async () => {
      clock.advance(1000)
      return (await statusIn(second)) === 'completed'
    })
    const sleptMs = Number((await second.wait(run.id)).output)
    assert.ok(sleptMs >= 60_000, `slept ${sleptMs} ms`)
    await second.stop()
  })

  test(name('code that asks for something else than the journal is stopped, and goes on once mended'), async () => {
    const { db } = await database.open()
    const withSteps =
      (...steps: string[]): WorkflowFunction =>
      async (ctx) => {
        for (const step of steps) await ctx.step(step, () => step)
        await ctx.signal('go')
        return steps.length
      }
    const first = await startTestEngine({ db, workflows: { w: withSteps('a', 'b') } })
    const run = await first.run('w')
    await until('the wait', async () => (await first.engine.runs.byId(run.id))?.status === 'waiting')
    await first.crash()
    const { tenantId } = first
    const changed = await startTestEngine({ db, workflows: { w: withSteps('a', 'x') }, tenantId })
    await changed.engine.signal(tenantId, run.id, 'go', null)
    const stopped = await changed.wait(run.id)
    assert.equal(stopped.status, 'stopped')
    assert.equal(stopped.error?.code, 'nondeterminism')
    assert.match(stopped.error?.message ?? '', /entry 2 of the journal is the step "b".*asks for "x"/)
    await changed.stop()
    const mended = await startTestEngine({ db, workflows: { w: withSteps('a', 'b') }, tenantId })
    await mended.engine.continue(tenantId, run.id)
    assert.equal((await mended.wait(run.id)).output, 2)
    await mended.stop()
  })

  test(
    name('a stop lets the step under way finish, starts no other, and the run goes on after the next start'),
    async () => {
      const { db } = await database.open()
      const begun: string[] = []
      const step = (key: string) => async (): Promise<string> => {
        begun.push(key)
        await wait(80)
        return key
      }
      const workflows: Record<string, WorkflowFunction> = {
        two: async (ctx) => [await ctx.step('first', step('first')), await ctx.step('second', step('second'))],
      }
      const first = await startTestEngine({ db, workflows })
      const run = await first.run('two')
      await until('the first step', () => begun.length === 1)
      await first.stop(30_000)
      assert.deepEqual(begun, ['first'])
      const second = await startTestEngine({ db, workflows, tenantId: first.tenantId })
      assert.deepEqual((await second.wait(run.id)).output, ['first', 'second'])
      assert.deepEqual(begun, ['first', 'second'])
      await second.stop()
    },
  )

  test(name('a step that waits for its next try keeps count over a crash'), async () => {
    const { db } = await database.open()
    const tries: number[] = []
    const workflows: Record<string, WorkflowFunction> = {
      flaky: (ctx) =>
        ctx.step(
          'flaky',
          ({ attempt }) => {
            tries.push(attempt)
            if (attempt < 3) throw new Error('not yet')
            return 'done'
          },
          { retry: { attempts: 3, delay: 60_000, backoff: 'constant', jitter: 0 } },
        ),
    }
    const clock = makeFakeClock(Date.now())
    const first = await startTestEngine({ db, workflows, clock })
    const run = await first.run('flaky')
    await until('the first failure in the journal', async () => (await first.engine.runs.journal(run.id)).length === 1)
    await first.crash()
    const second = await startTestEngine({ db, workflows, tenantId: first.tenantId, clock })
    await until('its end', async () => {
      clock.advance(5000)
      return (await second.engine.runs.byId(run.id))?.status === 'completed'
    })
    assert.equal((await second.wait(run.id)).output, 'done')
    assert.deepEqual(tries, [1, 2, 3])
    await second.stop()
  })

  test(name('a run stays on the version it began with'), async () => {
    const { db } = await database.open()
    const version =
      (n: number): WorkflowFunction =>
      async (ctx) => {
        await ctx.signal('go')
        return n
      }
    const first = await startTestEngine({ db, workflows: { w: version(1) } })
    const run = await first.run('w')
    assert.equal(run.version, 1)
    await first.crash()
    const second = await startTestEngine({ db, workflows: {}, tenantId: first.tenantId })
    await second.engine.signal(first.tenantId, run.id, 'go', null)
    const stopped = await second.wait(run.id)
    assert.equal(stopped.error?.code, 'program_not_loaded')
    await second.stop()
    const third = await startTestEngine({ db, workflows: { w: version(1) }, tenantId: first.tenantId })
    await third.engine.programLoaded('workflow', 'w')
    assert.equal((await third.wait(run.id)).output, 1)
    await third.stop()
  })

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
