/** Runs whose process dies, stops, or comes back with other code. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { BACKENDS } from '../../test/support/backends.ts'
import { startTestEngine, type TestEngine } from '../../test/support/engine.ts'
import { until } from '../../test/support/until.ts'
import { type Clock, makeFakeClock, systemClock } from '../platform/clock.ts'
import type { WorkflowFunction } from './index.ts'

for (const database of BACKENDS) {
  const name = (title: string): string => `engine on ${database.name}: ${title}`

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
    await third.engine.programLoaded('w', 1)
    assert.equal((await third.wait(run.id)).output, 1)
    await third.stop()
  })
}

/** Where one process after the other is replaced, both are there for a while. */
for (const database of BACKENDS.filter(({ name }) => name.includes('Redis'))) {
  test(`on ${database.name} a run of new code that an old process took goes on where its code is`, async () => {
    const { db } = await database.open()
    const old = await startTestEngine({ db, workflows: {} })
    const workflows: Record<string, WorkflowFunction> = { w: async () => 'done' }
    const clock: Clock = { ...systemClock, after: (ms, then) => systemClock.after(Math.min(ms, 100), then) }
    const maker = await startTestEngine({ db, workflows, tenantId: old.tenantId, does: [] })
    const today = await startTestEngine({ db, workflows, tenantId: old.tenantId, clock, does: [] })
    await today.engine.programLoaded('w', 1)
    await today.engine.programLoaded('w', 3)
    const { id } = await maker.run('w')
    await until('the old one to give up', async () => (await old.engine.runs.byId(id))?.status === 'stopped')
    await old.stop()
    await today.engine.start()
    try {
      await until('the run to go on', async () => (await maker.engine.runs.byId(id))?.status === 'completed')
    } finally {
      await maker.stop(0)
      await today.stop(0)
    }
  })
}
