/** Races that once went wrong: each of these tests fails without the mend it stands for. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { BACKENDS } from '../../test/support/backends.ts'
import { startTestEngine } from '../../test/support/engine.ts'
import { until } from '../../test/support/until.ts'
import type { Database } from '../platform/db/database.ts'
import { makeEventLog } from '../platform/events/log.ts'
import type { Json } from '../platform/json.ts'
import type { WorkflowFunction } from './index.ts'
import { requeueRun } from './rows.ts'

/** The same database, a while away. */
const slowed = (db: Database, ms: number): Database => ({
  ...db,
  async commit(unit) {
    await wait(ms)
    return db.commit(unit)
  },
})

for (const database of BACKENDS) {
  const race = (title: string, body: (db: Database) => Promise<void>): void => {
    test(`races on ${database.name}: ${title}`, async () => body((await database.open()).db))
  }

  race('parents that ended before their children do not keep sleeping runs from waking', async (db) => {
    const workflows: Record<string, WorkflowFunction> = {
      child: (ctx) => ctx.signal('never'),
      parent: (ctx) => ctx.race<unknown>([(b) => b.run('child'), (b) => b.sleep(5)]),
      sleeper: async (ctx) => {
        await ctx.sleep(400)
        return 'woke'
      },
    }
    const first = await startTestEngine({ db, workflows, liveMax: 2000, windowSize: 5000 })
    await Promise.all(Array.from({ length: 520 }, () => first.result('parent')))
    const sleeper = await first.run('sleeper')
    await wait(100)
    await first.crash()
    const second = await startTestEngine({ db, workflows, tenantId: first.tenantId, liveMax: 2000, windowSize: 5000 })
    assert.equal((await second.wait(sleeper.id)).status, 'completed')
    await second.stop()
  })

  race('a database that is away for a while leaves no run behind', async (real) => {
    let isAway = false
    const db: Database = {
      ...real,
      commit: (unit) => (isAway ? Promise.reject(new Error('connection refused')) : real.commit(unit)),
    }
    const workflows: Record<string, WorkflowFunction> = {
      w: async (ctx) => {
        await ctx.step('a', () => wait(60))
        return ctx.step('b', () => 1)
      },
    }
    const engine = await startTestEngine({ db, workflows })
    const run = await engine.run('w')
    await wait(20)
    isAway = true
    await wait(500)
    isAway = false
    assert.equal((await engine.wait(run.id)).status, 'completed')
    await engine.stop()
  })

  race('a signal to a run that has not started is kept', async (db) => {
    const { promise: gate, resolve: open } = Promise.withResolvers<void>()
    const workflows: Record<string, WorkflowFunction> = {
      busy: (ctx) => ctx.step('x', () => gate),
      asks: (ctx) => ctx.signal('go'),
    }
    const engine = await startTestEngine({ db, workflows, liveMax: 1 })
    await engine.run('busy')
    const run = await engine.run('asks')
    assert.equal(run.status, 'queued')
    await engine.engine.signal(engine.tenantId, run.id, 'go', 'hello')
    open()
    assert.equal((await engine.wait(run.id)).output, 'hello')
    await engine.stop()
  })

  race('a signal that comes with the end of its race is there for the next who asks', async (real) => {
    const workflows: Record<string, WorkflowFunction> = {
      w: async (ctx) => {
        const first = await ctx.race<unknown>([(b) => b.signal('go'), (b) => b.sleep(60).then(() => 'time')])
        return first === 'time' ? ['later', await ctx.signal('go')] : ['first', first]
      },
    }
    const engine = await startTestEngine({ db: slowed(real, 15), workflows })
    const ends = await Promise.all(
      Array.from({ length: 40 }, async (_, i) => {
        const run = await engine.run('w')
        await wait(20 + i)
        await engine.engine.signal(engine.tenantId, run.id, 'go', 'hello')
        return (await engine.wait(run.id)).status
      }),
    )
    assert.deepEqual([...new Set(ends)], ['completed'])
    await engine.stop()
  })

  race('the end of a task is kept when its run has changed owner meanwhile', async (db) => {
    const handlers = { t: () => wait(80).then(() => 'done') }
    const engine = await startTestEngine({ db, workflows: { w: (ctx) => ctx.task('t', 1) }, handlers })
    const run = await engine.run('w')
    await wait(30)
    await db.commit({ writes: [requeueRun(run.id)] })
    assert.equal((await engine.wait(run.id)).output, 'done')
    await engine.stop()
  })

  race('the loser of a race that ends in the same moment does not throw its run out of memory', async (db) => {
    const begun: unknown[] = []
    const workflows: Record<string, WorkflowFunction> = {
      w: (ctx, n) =>
        ctx.all<unknown>([
          (b) =>
            b.step('charge', async () => {
              begun.push(n)
              await wait(120)
              return 1
            }),
          (b) => b.race([(c) => c.task('t'), (c) => c.task('t')]),
        ]),
    }
    const engine = await startTestEngine({ db, workflows, handlers: { t: () => wait(40).then(() => 1) } })
    const runs = await Promise.all([0, 1, 2, 3, 4].map((n) => engine.run('w', n)))
    const log = makeEventLog(db)
    for (const run of runs) {
      await engine.wait(run.id)
      const events = await log.read({ tenantId: engine.tenantId, runId: run.id, afterId: 0, limit: 100 })
      const ends = events
        .filter(({ type }) => type === 'task.completed' || type === 'task.cancelled')
        .map(({ taskId }) => taskId)
      assert.equal(new Set(ends).size, ends.length, 'a task has two ends in the timeline')
    }
    assert.deepEqual(begun.toSorted(), [0, 1, 2, 3, 4])
    await engine.stop()
  })

  race('a run that has completed is not cancelled by a request that read it before', async (real) => {
    const db: Database = {
      ...real,
      async commit(unit) {
        if (unit.events?.some(({ type }) => type === 'run.cancelled')) await wait(60)
        return real.commit(unit)
      },
    }
    const { promise: cleaned, resolve: clean } = Promise.withResolvers<void>()
    let isCleaning = false
    const workflows: Record<string, WorkflowFunction> = {
      w: async (ctx) => {
        await ctx.signal('x').catch(() =>
          ctx.step('clean', () => {
            isCleaning = true
            return cleaned
          }),
        )
        return 'cleaned up'
      },
    }
    const engine = await startTestEngine({ db, workflows })
    const run = await engine.run('w')
    await until('the run to wait', async () => (await engine.engine.runs.byId(run.id))?.status === 'waiting')
    await engine.engine.cancel(engine.tenantId, run.id)
    await until('the cleaning', () => isCleaning)
    clean()
    await new Promise((resolve) => setImmediate(resolve))
    await engine.engine.cancel(engine.tenantId, run.id).catch(() => {})
    await engine.wait(run.id)
    // Time for a second end, if there is one.
    await wait(200)
    const events = await makeEventLog(db).read({ tenantId: engine.tenantId, runId: run.id, afterId: 0, limit: 100 })
    assert.equal(events.filter(({ type }) => /^run\.(completed|cancelled)$/.test(type)).length, 1)
    await engine.stop()
  })

  race('a step whose next try is due at once is not begun twice by an eviction', async (db) => {
    let atOnce = 0
    let most = 0
    let calls = 0
    const again = async (): Promise<void> => {
      calls++
      atOnce++
      most = Math.max(most, atOnce)
      await wait(60)
      atOnce--
      if (calls < 4) throw new Error('again')
    }
    const workflows: Record<string, WorkflowFunction> = {
      w: (ctx, n) => ctx.step('x', () => (n === 0 ? again() : wait(100)), { retry: { attempts: 10, delay: 0 } }),
    }
    const engine = await startTestEngine({ db, workflows, liveMax: 1 })
    const run = await engine.run('w', 0)
    await Promise.all([1, 2, 3, 4, 5].map((n) => engine.run('w', n)))
    await engine.wait(run.id)
    await engine.stop()
    assert.equal(most, 1)
  })

  race('a write that is refused every time stops the run instead of repeating it', async (real) => {
    let calls = 0
    const refused = Object.assign(
      new Error('refused'),
      database.name === 'SQLite' ? { errcode: 19 } : { code: '22003' },
    )
    const db: Database = {
      ...real,
      commit: (unit) =>
        unit.writes.some(({ row }) => row.includes('poison')) ? Promise.reject(refused) : real.commit(unit),
    }
    const workflows: Record<string, WorkflowFunction> = {
      w: async (ctx) => {
        await ctx.step('before', () => ++calls)
        return ctx.step('poison', () => 1)
      },
    }
    const engine = await startTestEngine({ db, workflows })
    const run = await engine.result('w')
    assert.equal(run.status, 'stopped')
    assert.equal(run.error?.code, 'write_refused')
    assert.equal(calls, 1)
    await engine.stop()
  })

  race('names that carry a count of their own do not collide', async (db) => {
    const workflows: Record<string, WorkflowFunction> = {
      w: (ctx) => ctx.all(['a', 'a', 'a#2'].map((name, i) => (b) => b.step(name, () => i))),
    }
    const engine = await startTestEngine({ db, workflows })
    assert.deepEqual((await engine.result('w')).output, [0, 1, 2])
    await engine.stop()
  })

  race('a function that waits for something else than its context still goes on', async (db) => {
    const workflows: Record<string, WorkflowFunction> = {
      w: async (ctx) => {
        await ctx.step('a', () => 1)
        await wait(20)
        return ctx.step('b', () => 2)
      },
    }
    const engine = await startTestEngine({ db, workflows })
    assert.equal((await engine.result('w')).output, 2)
    await engine.stop()
  })

  race('a task that is just being claimed is really cancelled', async (db) => {
    let finished = 0
    let calls = 0
    // The second one does not end by itself, however long the cancelling takes.
    const handlers = { t: () => (calls++ === 0 ? wait(200).then(() => ++finished) : new Promise<Json>(() => {})) }
    const engine = await startTestEngine({ db, workflows: {}, concurrency: 1, handlers })
    const request = { tenantId: engine.tenantId, projectId: null, kind: 't', input: null, priority: 3 as const }
    await engine.tasks.create(request)
    const { task } = await engine.tasks.create(request)
    while (finished === 0) await new Promise((resolve) => setImmediate(resolve))
    await engine.tasks.cancel(engine.tenantId, task.id)
    await wait(300)
    assert.equal((await engine.tasks.find(engine.tenantId, task.id)).status, 'cancelled')
    assert.equal(engine.tasks.active, 0)
    await engine.stop()
  })

  race('a step that ended in a turn which a stale task refused does not run again', async (real) => {
    const { promise: gate, resolve: open } = Promise.withResolvers<null>()
    let begun = 0
    const begin = (): Promise<null> => {
      begun++
      return gate
    }
    let calls = 0
    let isSpoiled = false
    /** Another process cancels the task in the moment in which its run writes the end. */
    const spoil = async (taskId: string): Promise<void> => {
      isSpoiled = true
      const error = JSON.stringify({ code: 'task_cancelled', message: 'by hand' })
      await real.transaction(async (tx) => {
        const table = tx.withTables<{
          tasks: { id: string; status: string; fence: number; error: string; finished_at: number }
        }>()
        const update = table.updateTable('tasks').set({ status: 'cancelled', fence: 7, error, finished_at: 1 })
        await update.where('id', '=', taskId).execute()
      })
    }
    const db: Database = {
      ...real,
      async commit(unit) {
        const task = unit.guards?.find(({ table }) => table === 'tasks')
        const hasStep = unit.events?.some(({ type }) => type === 'step.completed')
        if (task && hasStep && !isSpoiled) await spoil(task.id)
        return real.commit(unit)
      },
    }
    const workflows: Record<string, WorkflowFunction> = {
      w: (ctx) =>
        ctx.all([
          (b) => b.step('once', () => begin().then(() => ++calls)),
          (b) => b.task('t').catch((error: Error) => error.message),
        ]),
    }
    const engine = await startTestEngine({ db, workflows, handlers: { t: begin } })
    const run = await engine.run('w')
    await until('both to be under way', () => begun === 2)
    open(null)
    assert.deepEqual((await engine.wait(run.id)).output, [1, 'by hand'])
    assert.ok(isSpoiled)
    assert.equal(calls, 1)
    await engine.stop()
  })

  race('a turn whose task was ended alike by the process that did it is committed without it', async (real) => {
    let calls = 0
    let isSpoiled = false
    const db: Database = {
      ...real,
      async commit(unit) {
        const isEnd = unit.writes?.some(({ statement }) => statement.name === 'finish_task')
        if (isEnd && !isSpoiled) {
          isSpoiled = true
          const ofTask = unit.writes?.filter(({ statement }) => statement.name === 'finish_task') ?? []
          await real.commit({ guards: unit.guards?.filter(({ table }) => table === 'tasks') ?? [], writes: ofTask })
        }
        return real.commit(unit)
      },
    }
    const workflows: Record<string, WorkflowFunction> = {
      w: (ctx) =>
        ctx.all<unknown>([
          (b) => b.task('t'),
          (b) =>
            b.step('under way', async () => {
              calls++
              await wait(300)
              return calls
            }),
        ]),
    }
    const engine = await startTestEngine({ db, workflows, handlers: { t: async () => 'done' } })
    const run = await engine.result('w')
    assert.deepEqual([run.status, run.output, calls, isSpoiled], ['completed', ['done', 1], 1, true])
    await engine.stop()
  })

  for (const reached of [false, true]) {
    const what = reached ? 'whose commit arrived without an answer' : 'that could not be committed in an outage'
    race(`a step ${what} does not run again`, async (real) => {
      let calls = 0
      let failures = 0
      const db: Database = {
        ...real,
        async commit(unit) {
          const isEnd = unit.events?.some(({ type }) => type === 'step.completed')
          if (!isEnd || failures >= 2) return real.commit(unit)
          failures++
          if (reached && failures === 1) await real.commit(unit)
          throw Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
        },
      }
      const workflows: Record<string, WorkflowFunction> = { w: (ctx) => ctx.step('once', () => ++calls) }
      const engine = await startTestEngine({ db, workflows })
      assert.equal((await engine.result('w')).output, 1)
      assert.equal(calls, 1)
      assert.equal(failures, 2)
      await engine.stop()
    })
  }
}

/** One process makes runs, another carries them: only where processes can reach each other. */
for (const backend of BACKENDS.filter(({ name }) => name.includes('Redis'))) {
  test(`races on ${backend.name}: a signal that comes between the look at a queued run and its claim is heard`, async () => {
    const { db, hub } = await backend.open()
    const workflows: Record<string, WorkflowFunction> = { asks: (ctx) => ctx.signal('go') }
    const common = { hub, workflows, leaseMs: 600_000 }
    const maker = await startTestEngine({ ...common, db, does: [] })
    const { id } = await maker.run('asks')
    let claims = 0
    const late: Database = {
      ...db,
      async commit(unit) {
        if (unit.writes.some(({ statement }) => statement.name === 'claim_run') && ++claims === 1) {
          await maker.engine.signal(maker.tenantId, id, 'go', 'hello')
          // The sender looks at the run before it has an owner.
          await wait(200)
        }
        return db.commit(unit)
      },
    }
    const carrier = await startTestEngine({ ...common, db: late, tenantId: maker.tenantId, does: ['runs'] })
    try {
      assert.equal((await maker.wait(id)).output, 'hello')
      assert.equal(claims, 2)
    } finally {
      await carrier.stop(0)
      await maker.stop(0)
    }
  })
}
