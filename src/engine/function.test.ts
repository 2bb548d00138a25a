/** What the function of a run can ask for: steps, signals, branches. */
import assert from 'node:assert/strict'
import { BACKENDS } from '../../test/support/backends.ts'
import { onEngine } from '../../test/support/on-engine.ts'
import { until } from '../../test/support/until.ts'
import { NonRetryableError } from './index.ts'

for (const database of BACKENDS) {
  const withEngine = onEngine(database)

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
}
