import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { BACKENDS } from '../../test/support/backends.ts'
import { startTestEngine, type TestEngine } from '../../test/support/engine.ts'
import { until } from '../../test/support/until.ts'
import { type Clock, makeFakeClock } from '../platform/clock.ts'
import type { Json } from '../platform/json.ts'
import { noRules, type QueueRules } from '../platform/queue/rules.ts'
import type { Task, TaskHandler } from './index.ts'

const newTask = (engine: TestEngine, kind: string, more: object = {}) =>
  engine.tasks.create({ tenantId: engine.tenantId, projectId: null, kind, input: null, priority: 3, ...more })

const became = (engine: TestEngine, id: string, status: Task['status']): Promise<Task> =>
  until(`the task ${id} to be ${status}`, async () => {
    const task = await engine.tasks.find(engine.tenantId, id)
    return task.status === status && task
  })

for (const database of BACKENDS) {
  const withTasks = (
    title: string,
    handlers: Record<string, TaskHandler>,
    body: (engine: TestEngine) => Promise<void>,
    options: { concurrency?: number; windowSize?: number; clock?: Clock; rules?: QueueRules } = {},
  ): void => {
    test(`tasks on ${database.name}: ${title}`, async () => {
      const { db } = await database.open()
      const engine = await startTestEngine({ db, workflows: {}, handlers, ...options })
      try {
        await body(engine)
      } finally {
        await engine.stop()
      }
    })
  }

  withTasks('a task is done, with its output kept', { add: async (input) => (input as number) + 1 }, async (engine) => {
    const { task } = await newTask(engine, 'add', { input: 41 })
    const done = await became(engine, task.id, 'completed')
    assert.equal(done.output, 42)
    assert.equal(done.attempt, 1)
  })

  let open: (() => void) | undefined
  withTasks(
    'one that is cancelled while it waits in the queue gives its place at the limit of its key to the next',
    {
      block: () =>
        new Promise((resolve) => {
          open = () => resolve(null)
        }),
      note: async () => null,
    },
    async (engine) => {
      await newTask(engine, 'block')
      const end = await until('the only place to be taken', () => open)
      const [first, second] = await Promise.all([1, 2].map(() => newTask(engine, 'note', { limitKey: 'crm' })))
      assert.ok(first && second)
      // Handed in together, the first has the place of the key; the other is told that it has none.
      await wait(200)
      await engine.tasks.cancel(engine.tenantId, first.task.id)
      end()
      await became(engine, second.task.id, 'completed')
    },
    {
      concurrency: 1,
      // It stands still: no sweep heals what was forgotten.
      clock: makeFakeClock(Date.now()),
      rules: {
        ...noRules,
        entrant: ({ id, tenantId, key }) => ({
          ...{ id, tenantId, key, weight: 1, limits: {} },
          keyLimits: key === undefined ? {} : { concurrency: 1 },
        }),
        isFree: (_, __, key) => key === undefined,
      },
    },
  )

  const order: Json[] = []
  let unblock: (() => void) | undefined
  withTasks(
    'of a backlog beyond the window, higher priorities come first and all are done',
    {
      note: async (input) => {
        order.push(input)
        return null
      },
      block: () =>
        new Promise((resolve) => {
          unblock = () => resolve(null)
        }),
    },
    async (engine) => {
      order.length = 0
      await newTask(engine, 'block')
      const end = await until('the only place to be taken', () => unblock)
      const low = await Promise.all(
        Array.from({ length: 60 }, (_, i) => newTask(engine, 'note', { input: i, priority: 4 })),
      )
      const { task: critical } = await newTask(engine, 'note', { input: 'critical', priority: 1 })
      end()
      await became(engine, critical.id, 'completed')
      for (const { task } of low) await became(engine, task.id, 'completed')
      assert.equal(order.length, 61)
      // At most after those in the window, those that a refill under way has read before, and a window full while the next one reads.
      assert.ok(order.indexOf('critical') < 30, `the order was ${order.join()}`)
    },
    { concurrency: 1, windowSize: 10 },
  )

  const keys = new Set<string>()
  let tries = 0
  withTasks(
    'a failed attempt is made again with the same idempotency key',
    {
      flaky: async (_, call) => {
        keys.add(call.idempotencyKey)
        if (++tries < 3) throw new Error('not yet')
        return call.attempt
      },
    },
    async (engine) => {
      keys.clear()
      tries = 0
      const { task } = await newTask(engine, 'flaky', { retry: { attempts: 3, delay: 5, backoff: 'constant' } })
      assert.equal((await became(engine, task.id, 'completed')).output, 3)
      assert.equal(keys.size, 1)
    },
  )

  withTasks(
    'an attempt that takes too long fails with task_timeout, one without heartbeat with task_heartbeat_timeout',
    { slow: () => new Promise(() => {}) },
    async (engine) => {
      const late = await newTask(engine, 'slow', { timeoutMs: 30, retry: { attempts: 1 } })
      assert.equal((await became(engine, late.task.id, 'dead')).error?.code, 'task_timeout')
      const silent = await newTask(engine, 'slow', { heartbeatMs: 30, retry: { attempts: 1 } })
      assert.equal((await became(engine, silent.task.id, 'dead')).error?.code, 'task_heartbeat_timeout')
    },
  )

  const clock = makeFakeClock(Date.now())
  let steady: { beat: (progress: Json) => void; end: () => void; signal: AbortSignal } | undefined
  withTasks(
    'heartbeats keep an attempt alive and keep its progress, until they stop',
    {
      steady: (_, call) =>
        new Promise((resolve, reject) => {
          const { signal } = call
          signal.addEventListener('abort', () => reject(signal.reason))
          steady = { beat: (progress) => call.heartbeat(progress), end: () => resolve('ok'), signal }
        }),
    },
    async (engine) => {
      const begin = async () => {
        steady = undefined
        const { task } = await newTask(engine, 'steady', { heartbeatMs: 120, retry: { attempts: 1 } })
        const attempt = await until('the attempt', () => steady)
        for (let i = 1; i <= 6; i++) {
          clock.advance(100)
          assert.equal(attempt.signal.aborted, false)
          attempt.beat({ done: i })
        }
        return { task, attempt }
      }
      const kept = await begin()
      kept.attempt.end()
      assert.deepEqual((await became(engine, kept.task.id, 'completed')).progress, { done: 1 })
      const silent = await begin()
      clock.advance(121)
      assert.equal(silent.attempt.signal.aborted, true)
      assert.equal((await became(engine, silent.task.id, 'dead')).error?.code, 'task_heartbeat_timeout')
    },
    { clock },
  )

  let begun = false
  let aborted = false
  withTasks(
    'a cancelled task aborts its attempt, and what the attempt brings later is not taken',
    {
      stubborn: async (_, call) => {
        begun = true
        call.signal.addEventListener('abort', () => {
          aborted = true
        })
        await wait(80)
        return 'too late'
      },
    },
    async (engine) => {
      const { task } = await newTask(engine, 'stubborn')
      await until('the attempt', () => begun)
      await engine.tasks.cancel(engine.tenantId, task.id)
      await until('the abort', () => aborted)
      await wait(150)
      const after = await engine.tasks.find(engine.tenantId, task.id)
      assert.equal(after.status, 'cancelled')
      assert.equal(after.output, null)
    },
  )

  withTasks('of many makers with one idempotency key one wins', { noop: async () => null }, async (engine) => {
    const made = await Promise.all(Array.from({ length: 10 }, () => newTask(engine, 'noop', { idempotencyKey: 'k' })))
    assert.equal(new Set(made.map(({ task }) => task.id)).size, 1)
    assert.equal(made.filter(({ isNew }) => isNew).length, 1)
  })

  withTasks("another tenant's task does not exist", { noop: async () => null }, async (engine) => {
    const { task } = await newTask(engine, 'noop')
    await assert.rejects(engine.tasks.find('someone-else', task.id), { code: 'task_not_found' })
    await assert.rejects(engine.tasks.cancel('someone-else', task.id), { code: 'task_not_found' })
  })

  test(`tasks on ${database.name}: a stop lets attempts finish, and gives back what does not`, async () => {
    const { db } = await database.open()
    const handlers: Record<string, TaskHandler> = {
      short: () => wait(100).then(() => 'done'),
      long: (_, call) =>
        new Promise((_resolve, reject) => call.signal.addEventListener('abort', () => reject(call.signal.reason))),
    }
    const engine = await startTestEngine({ db, workflows: {}, handlers })
    const short = await newTask(engine, 'short')
    const long = await newTask(engine, 'long')
    await until('both to be under way', () => engine.tasks.active === 2)
    await engine.stop(3000)
    assert.equal((await engine.tasks.find(engine.tenantId, short.task.id)).status, 'completed')
    const given = await engine.tasks.find(engine.tenantId, long.task.id)
    assert.equal(given.status, 'queued')
    const { tenantId } = engine
    const again = await startTestEngine({
      db,
      workflows: {},
      handlers: { ...handlers, long: async () => 'at last' },
      tenantId,
    })
    assert.equal((await became(again, long.task.id, 'completed')).output, 'at last')
    await again.stop()
  })

  test(`tasks on ${database.name}: a task that kills its process again and again is dead as poison`, async () => {
    const { db } = await database.open()
    const stuck: Record<string, TaskHandler> = { poison: () => new Promise(() => {}) }
    let engine = await startTestEngine({ db, workflows: {}, handlers: stuck })
    const { tenantId } = engine
    const { task } = await newTask(engine, 'poison', { retry: { attempts: 1 } })
    for (let i = 0; i < 5; i++) {
      if ((await engine.tasks.find(tenantId, task.id)).status === 'dead') break
      await became(engine, task.id, 'running')
      await engine.crash()
      engine = await startTestEngine({ db, workflows: {}, handlers: stuck, tenantId })
    }
    const dead = await became(engine, task.id, 'dead')
    assert.equal(dead.error?.code, 'worker_lost')
    const [letter] = await engine.tasks.tasks.deadLetters(tenantId, { limit: 10 })
    assert.equal(letter?.reason, 'worker_lost')
    await engine.stop()
  })
}
