import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BACKENDS } from '../../test/support/backends.ts'
import { startTestEngine, type TestEngine, type TestEngineOptions } from '../../test/support/engine.ts'
import { until } from '../../test/support/until.ts'
import { commandsOf, compileRetry, type WorkflowFunction } from '../engine/index.ts'
import { makeLocalBus } from '../platform/bus/bus.ts'
import { type Clock, makeFakeClock } from '../platform/clock.ts'
import type { Json } from '../platform/json.ts'
import { noRules, type QueueRules } from '../platform/queue/rules.ts'
import { makeActivities } from './activities.ts'

const ONCE = compileRetry(undefined, 1)

/** A run that waits for one task outside, or for the holder of its token. */
const asks =
  (resource: string, more: { timeoutMs?: number; heartbeatMs?: number; token?: string } = {}): WorkflowFunction =>
  (ctx, input) => {
    const { timeoutMs, heartbeatMs, token } = more
    const base = { kind: 'task' as const, key: 'ask', resource, input: input as Json, retry: ONCE, token }
    const rest = { priority: undefined, delayMs: undefined, timeoutMs, heartbeatMs, waitForToken: token !== undefined }
    return commandsOf(ctx).request({ ...base, ...rest }, ctx.abortSignal)
  }

const settled = (engine: TestEngine, status: string): Promise<true> =>
  until(`a task to be ${status}`, async () => {
    const [task] = await engine.tasks.tasks.list(engine.tenantId, { limit: 1 })
    return task?.status === status
  })

/** No task is taken from the queue; runs are. */
const tasksPaused: QueueRules = {
  ...noRules,
  entrant: (job) => (job.partition === 'tasks' ? undefined : noRules.entrant(job)),
  isPaused: (partition) => partition === 'tasks',
  isFree: (partition) => partition !== 'tasks',
}

const poll = (engine: TestEngine, waitMs: number, signal = new AbortController().signal) =>
  engine.tasks.activities.poll({
    tenantId: engine.tenantId,
    projectId: null,
    name: 'pack',
    worker: 'w1',
    waitMs,
    signal,
  })

for (const database of BACKENDS) {
  const name = (title: string): string => `tasks answered outside on ${database.name}: ${title}`
  const start = async (fn: WorkflowFunction, handlers: TestEngineOptions['handlers'] = {}, clock?: Clock) => {
    const { db } = await database.open()
    return { db, engine: await startTestEngine({ db, workflows: { w: fn }, handlers, clock }) }
  }
  const told = { told: async () => 'sent' }

  test(name('the holder of the token ends it, once, and only in its tenant'), async () => {
    const { engine } = await start(asks('told', { token: 'secret' }), told)
    const run = await engine.run('w')
    await settled(engine, 'waiting')
    const { answers } = engine.tasks
    await assert.rejects(answers.answer('other', 'secret', { output: 1 }), { code: 'token_not_found' })
    await answers.answer(engine.tenantId, 'secret', { output: { ok: true } })
    assert.deepEqual((await engine.wait(run.id)).output, { ok: true })
    await assert.rejects(answers.answer(engine.tenantId, 'secret', { output: 2 }), { code: 'task_not_waiting' })
    await assert.rejects(answers.heartbeat(engine.tenantId, 'secret'), { code: 'task_not_waiting' })
    await engine.stop()
  })

  test(name('of two answers at the same moment one is taken, and the other is told'), async () => {
    const { engine } = await start(asks('told', { token: 'secret' }), told)
    const run = await engine.run('w')
    await settled(engine, 'waiting')
    const answers = [1, 2].map((output) => engine.tasks.answers.answer(engine.tenantId, 'secret', { output }))
    const results = await Promise.allSettled(answers)
    assert.deepEqual(results.map((result) => result.status).toSorted(), ['fulfilled', 'rejected'])
    const taken = results.findIndex((result) => result.status === 'fulfilled') + 1
    assert.equal((await engine.wait(run.id)).output, taken)
    await engine.stop()
  })

  test(name('an answer before the attempt is over ends the attempt'), async () => {
    const { engine } = await start(asks('slow', { token: 'secret' }), { slow: () => new Promise<Json>(() => {}) })
    const run = await engine.run('w')
    await settled(engine, 'running')
    await engine.tasks.answers.answer(engine.tenantId, 'secret', { error: { code: 'Refused', message: 'no' } })
    assert.deepEqual((await engine.wait(run.id)).error, { code: 'Refused', message: 'no' })
    await until('the attempt to be let go of', () => engine.tasks.active === 0)
    await engine.stop()
  })

  test(name('an answer is taken while a lost attempt waits to be made again, and that is not made'), async () => {
    const fn = asks('slow', { token: 'secret' })
    let calls = 0
    const handlers = { slow: () => new Promise<Json>(() => void calls++) }
    const { db, engine } = await start(fn, handlers)
    const run = await engine.run('w')
    await until('the attempt', () => calls === 1)
    await engine.crash()
    const next = await startTestEngine({
      db,
      workflows: { w: fn },
      handlers,
      tenantId: engine.tenantId,
      rules: tasksPaused,
    })
    await settled(next, 'queued')
    await next.tasks.answers.answer(next.tenantId, 'secret', { output: 'in time' })
    assert.equal((await next.wait(run.id)).output, 'in time')
    await next.stop()
    const last = await startTestEngine({ db, workflows: { w: fn }, handlers, tenantId: engine.tenantId })
    await new Promise((resolve) => setTimeout(resolve, 50))
    assert.equal(calls, 1)
    await last.stop()
  })

  test(name('no answer in time is a time-out, no heartbeat a heartbeat time-out'), async () => {
    const late = await start(asks('told', { token: 'a', timeoutMs: 150 }), told)
    assert.equal((await late.engine.result('w')).error?.code, 'task_timeout')
    await late.engine.stop()
    const silent = await start(asks('told', { token: 'b', timeoutMs: 5000, heartbeatMs: 150 }), told)
    assert.equal((await silent.engine.result('w')).error?.code, 'task_heartbeat_timeout')
    await silent.engine.stop()
  })

  test(name('heartbeats keep it alive beyond the heartbeat time-out'), async () => {
    const clock = makeFakeClock(Date.now())
    const { engine } = await start(asks('told', { token: 'a', heartbeatMs: 1000 }), told, clock)
    const run = await engine.run('w')
    await settled(engine, 'waiting')
    for (let i = 0; i < 6; i++) {
      // Time for the sweep, which would end it, if the heartbeats before had not moved the end.
      for (let ms = 0; ms < 800; ms += 200) {
        clock.advance(200)
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
      await engine.tasks.answers.heartbeat(engine.tenantId, 'a', i)
    }
    await engine.tasks.answers.answer(engine.tenantId, 'a', { output: 'late but alive' })
    assert.equal((await engine.wait(run.id)).output, 'late but alive')
    await engine.stop()
  })

  test(name('a token outlives the process, and so does its time-out'), async () => {
    const fn = asks('told', { token: 'a' })
    const { db, engine } = await start(fn, told)
    const run = await engine.run('w')
    await settled(engine, 'waiting')
    await engine.crash()
    const options = { db, workflows: { w: fn }, handlers: told, tenantId: engine.tenantId }
    const next = await startTestEngine(options)
    await next.tasks.answers.answer(next.tenantId, 'a', { output: 'after' })
    assert.equal((await next.wait(run.id)).output, 'after')
    await next.stop()

    const timed = asks('told', { token: 'b', timeoutMs: 200 })
    const first = await startTestEngine({ ...options, workflows: { w: timed } })
    const second = await first.run('w')
    await settled(first, 'waiting')
    await first.crash()
    const last = await startTestEngine({ ...options, workflows: { w: timed } })
    assert.equal((await last.wait(second.id)).error?.code, 'task_timeout')
    await last.stop()
  })

  test(name('an activity goes to one of those who poll, and is answered by its token'), async () => {
    const { engine } = await start(asks('activity:pack'))
    const over = new AbortController()
    const polls = [1, 2].map(() => poll(engine, 30_000, over.signal))
    const run = await engine.run('w', { box: 1 })
    assert.ok(await Promise.race(polls))
    // The other one has time to take it as well, if it could.
    await new Promise((resolve) => setTimeout(resolve, 300))
    over.abort()
    const taken = (await Promise.all(polls)).filter((each) => each !== undefined)
    assert.deepEqual(
      taken.map(({ task }) => task.input),
      [{ box: 1 }],
    )
    assert.equal(await poll(engine, 0), undefined)
    await engine.tasks.answers.answer(engine.tenantId, taken[0]?.token ?? '', { output: 'packed' })
    assert.equal((await engine.wait(run.id)).output, 'packed')
    await engine.stop()
  })

  test(name('who polls is woken by the birth of a task, without waiting for the next look'), async () => {
    const { db, engine } = await start(asks('activity:pack'))
    const { tenantId } = engine
    // Its clock stands still: only the birth can wake it.
    const clock = makeFakeClock()
    const activities = makeActivities({ db, bus: makeLocalBus(), clock, tasks: engine.tasks.tasks, waits: () => {} })
    const signal = new AbortController().signal
    const polling = activities.poll({
      ...{ tenantId, projectId: null, name: 'pack', worker: undefined, waitMs: 60_000, signal },
    })
    await engine.run('w')
    await settled(engine, 'waiting')
    activities.born({ tenantId, projectId: null, kind: 'activity:pack' })
    assert.ok(await polling)
    await engine.stop()
  })

  test(name('of tasks that are born together each wakes somebody who polls'), async (t) => {
    const { db, engine } = await start(asks('activity:pack'))
    const { tenantId } = engine
    const clock = makeFakeClock()
    const activities = makeActivities({ db, bus: makeLocalBus(), clock, tasks: engine.tasks.tasks, waits: () => {} })
    const signal = new AbortController().signal
    const poll = () =>
      activities.poll({ ...{ tenantId, projectId: null, name: 'pack', worker: undefined, waitMs: 60_000, signal } })
    const polls = [poll(), poll()]
    t.after(() => {
      activities.stop()
      return engine.stop()
    })
    for (let i = 0; i < 2; i++) await engine.run('w')
    const all = () => engine.tasks.tasks.list(tenantId, { status: 'waiting', limit: 10 })
    await until('both to wait', async () => (await all()).length === 2)
    for (let i = 0; i < 2; i++) activities.born({ tenantId, projectId: null, kind: 'activity:pack' })
    await until('both to be taken', async () => (await all()).every(({ startedAtMs }) => startedAtMs !== null))
    assert.equal(new Set((await Promise.all(polls)).map((taken) => taken?.task.id)).size, 2)
  })

  test(name('an activity waits for a worker as long as it must, and one that falls silent loses it'), async () => {
    const { engine } = await start(asks('activity:pack', { heartbeatMs: 200 }))
    const run = await engine.run('w')
    await settled(engine, 'waiting')
    await new Promise((resolve) => setTimeout(resolve, 400))
    assert.ok(await poll(engine, 0), 'nobody had it, so nobody was silent')
    assert.equal((await engine.wait(run.id)).error?.code, 'task_heartbeat_timeout')
    await engine.stop()
  })

  test(name('a poller that has gone takes nothing'), async () => {
    const { engine } = await start(asks('activity:pack'))
    const gone = new AbortController()
    const polling = poll(engine, 5000, gone.signal)
    gone.abort()
    assert.equal(await polling, undefined)
    const run = await engine.run('w')
    await settled(engine, 'waiting')
    assert.ok(await poll(engine, 0))
    await engine.engine.cancel(engine.tenantId, run.id)
    assert.equal((await engine.wait(run.id)).status, 'cancelled')
    await engine.stop()
  })
}
