/** What one process decides about a run while another changes it: each of these tests fails without the mend it stands for. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BACKENDS } from '../../test/support/backends.ts'
import { startTestEngine } from '../../test/support/engine.ts'
import { until } from '../../test/support/until.ts'
import type { Database } from '../platform/db/database.ts'
import type { Unit } from '../platform/db/group-commit.ts'
import type { Json } from '../platform/json.ts'
import { noRules, type QueueRules } from '../platform/queue/rules.ts'
import { makeHearing } from './hearing.ts'
import { commandsOf, compileRetry, engineErrors, toErrorRecord, type WorkflowFunction } from './index.ts'
import type { LiveRun } from './live-run.ts'
import type { RunRepository } from './repository.ts'
import { finishRun, requeueRun, stoppedBy } from './rows.ts'

const has = (unit: Unit, type: string): boolean => unit.events?.some((event) => event.type === type) ?? false
const writes = (unit: Unit, name: string): boolean => unit.writes.some(({ statement }) => statement.name === name)

/** Before the first unit that fits is committed, something else happens. */
const before = (real: Database, fits: (unit: Unit) => boolean, first: () => Promise<unknown>): Database => {
  let isDone = false
  return {
    ...real,
    async commit(unit) {
      if (!isDone && fits(unit)) {
        isDone = true
        await first()
      }
      return real.commit(unit)
    },
  }
}

for (const database of BACKENDS) {
  const race = (title: string, body: (db: Database) => Promise<void>): void => {
    test(`${title}, on ${database.name}`, async () => body((await database.open()).db))
  }

  race('a task that a run makes while it is cancelled for good is cancelled too', async (real) => {
    const clean = Promise.withResolvers<void>()
    let runId = ''
    const isMade = async () => (await engine.tasks.tasks.ofRun(runId)).length === 1
    const db = before(
      real,
      (unit) => has(unit, 'run.cancelled'),
      async () => {
        clean.resolve()
        await until('the run to ask for a task', isMade)
      },
    )
    let isCleaning = false
    const workflows: Record<string, WorkflowFunction> = {
      async w(ctx) {
        await ctx.signal('never').catch(() =>
          ctx.step('clean', () => {
            isCleaning = true
            return clean.promise
          }),
        )
        const base = { kind: 'task', key: 'ask', resource: 'activity:ask', input: null } as const
        const times = { priority: undefined, delayMs: undefined, timeoutMs: undefined, heartbeatMs: undefined }
        const retry = compileRetry(undefined, 1)
        return commandsOf(ctx).request({ ...base, ...times, retry, waitForToken: false }, ctx.abortSignal)
      },
    }
    const engine = await startTestEngine({ db, workflows })
    try {
      runId = (await engine.run('w')).id
      await until('the run to wait', async () => (await engine.engine.runs.byId(runId))?.status === 'waiting')
      await engine.engine.cancel(engine.tenantId, runId)
      await until('the cleaning', () => isCleaning)
      await engine.engine.cancel(engine.tenantId, runId)
      const tasks = await engine.tasks.tasks.ofRun(runId)
      assert.deepEqual(
        [(await engine.engine.runs.byId(runId))?.status, ...tasks.map(({ status }) => status)],
        ['cancelled', 'cancelled'],
      )
    } finally {
      await engine.stop(0)
    }
  })

  race(
    'the children of a run that was cancelled for good end, though its process died in that moment',
    async (real) => {
      let isDead = false
      const db: Database = {
        ...real,
        async commit(unit) {
          if (isDead) return new Promise(() => {})
          await real.commit(unit)
          if (!has(unit, 'run.cancelled')) return
          isDead = true
          return new Promise(() => {})
        },
      }
      const workflows: Record<string, WorkflowFunction> = {
        // It does not end by itself when it is cancelled.
        parent: (ctx) => ctx.signal('never').catch(() => ctx.run('child')),
        child: (ctx) => ctx.signal('never either'),
      }
      const first = await startTestEngine({ db, workflows })
      const { id } = await first.run('parent')
      await until('the run to wait', async () => (await first.engine.runs.byId(id))?.status === 'waiting')
      await first.engine.cancel(first.tenantId, id)
      const child = await until('the child to wait', async () => {
        const [found] = await first.engine.runs.children(id)
        return found?.status === 'waiting' && found
      })
      void first.engine.cancel(first.tenantId, id)
      await until('the run to be cancelled', async () => (await first.engine.runs.byId(id))?.status === 'cancelled')
      await first.crash()
      const second = await startTestEngine({ db: real, workflows, tenantId: first.tenantId })
      try {
        assert.equal((await second.wait(child.id)).status, 'cancelled')
      } finally {
        await second.stop(0)
      }
    },
  )

  race('a run that stops while it is asked to end is ended', async (real) => {
    let runId = ''
    const stop = () =>
      real.commit({ writes: [finishRun(runId, stoppedBy(toErrorRecord(engineErrors.nondeterminism('mended'))))] })
    const db = before(real, (unit) => has(unit, 'run.cancel_requested'), stop)
    const engine = await startTestEngine({ db, workflows: { w: (ctx) => ctx.signal('never') } })
    try {
      runId = (await engine.run('w')).id
      await until('the run to wait', async () => (await engine.engine.runs.byId(runId))?.status === 'waiting')
      await engine.engine.cancel(engine.tenantId, runId)
      assert.equal((await engine.wait(runId)).status, 'cancelled')
    } finally {
      await engine.stop(0)
    }
  })

  race('stopped runs go on though several processes have loaded their code at once', async (real) => {
    const ids: string[] = []
    const db = before(
      real,
      (unit) => has(unit, 'run.continued'),
      () => real.commit({ writes: [requeueRun(ids[0] as string)] }),
    )
    const workflows: Record<string, WorkflowFunction> = { w: async () => 'done' }
    let isLoaded = false
    const engine = await startTestEngine({
      db,
      programs: {
        locate: async () => ({ version: 1, projectId: null }),
        load: async ({ target }) => (isLoaded ? workflows[target] : undefined),
      },
    })
    try {
      for (let i = 0; i < 2; i++) {
        const run = await engine.result('w')
        assert.equal(run.status, 'stopped')
        ids.push(run.id)
      }
      isLoaded = true
      await engine.engine.programLoaded('w', 1)
      // The other process gives the first to the queue.
      assert.equal((await engine.engine.runs.byId(ids[0] as string))?.status, 'queued')
      await until('the second', async () => (await engine.engine.runs.byId(ids[1] as string))?.status === 'completed')
    } finally {
      await engine.stop(0)
    }
  })

  race(
    'a task that ended while its run asked for a child does not stop the run when its process dies',
    async (real) => {
      const end = Promise.withResolvers<string>()
      const place = Promise.withResolvers<void>()
      let isAsked = false
      let isDead = false
      let ends = 0
      const db: Database = {
        ...real,
        async commit(unit) {
          // It dies before the end of the task is committed, and after the child was born.
          if (writes(unit, 'finish_task') && !writes(unit, 'insert_runs')) isDead = true
          return isDead ? new Promise(() => {}) : real.commit(unit)
        },
      }
      const workflows: Record<string, WorkflowFunction> = {
        async w(ctx) {
          await ctx.race<unknown>([(b) => b.task('slow'), (b) => b.signal('go')])
          return ctx.run('child')
        },
        child: (ctx) => ctx.signal('end'),
      }
      const programs = {
        async locate({ target }: { target: string }) {
          if (target === 'child') {
            isAsked = true
            await place.promise
          }
          return { version: 1, projectId: null }
        },
        load: async ({ target }: { target: string }) => workflows[target],
      }
      const slow = () => end.promise.finally(() => ends++)
      const first = await startTestEngine({ db, programs, handlers: { slow } })
      const { id, tenantId } = await first.run('w')
      await until('the task', () => first.tasks.active === 1)
      await first.engine.signal(tenantId, id, 'go', null)
      await until('the run to ask for its child', () => isAsked)
      end.resolve('too late')
      await until('the end of the task', () => ends === 1 && first.tasks.active === 0)
      place.resolve()
      const child = await until('the child', async () => (await first.engine.runs.children(id))[0])
      await until(
        'the child to wait or the death',
        async () => isDead || (await first.engine.runs.byId(child.id))?.status === 'waiting',
      )
      await first.crash()
      const endless = () => new Promise<never>(() => {})
      const second = await startTestEngine({ db: real, programs, handlers: { slow: endless }, tenantId })
      try {
        await second.engine.signal(tenantId, child.id, 'end', 'good')
        const run = await second.wait(id)
        assert.deepEqual([run.status, run.error, run.output], ['completed', null, 'good'])
      } finally {
        await second.stop(0)
      }
    },
  )

  race('the end of a task is not lost with a turn that breaks before its commit', async (db) => {
    let plans = 0
    const rules: QueueRules = {
      ...noRules,
      isFree(partition) {
        if (partition === 'tasks' && ++plans === 2) throw new Error('the rules cannot be read')
        return true
      },
    }
    const done: Json[] = []
    const handlers = { t: async (input: Json) => done.push(input) }
    const workflows: Record<string, WorkflowFunction> = {
      w: async (ctx) => [await ctx.task('t', 'a'), await ctx.task('t', 'b')],
    }
    const engine = await startTestEngine({ db, rules, handlers, workflows })
    try {
      assert.deepEqual([(await engine.result('w')).output, done, plans], [[1, 2], ['a', 'b'], 3])
    } finally {
      await engine.stop(0)
    }
  })

  for (const [what, code] of [
    ['is being taken over by its standby, and takes no writes', '25006'],
    ['sees it stand in the way of others, time and again', '40P01'],
  ] as const) {
    race(`a step that ended while the database ${what} is not done again`, async (real) => {
      let calls = 0
      let failures = 0
      const db: Database = {
        ...real,
        async commit(unit) {
          if (has(unit, 'step.completed') && failures++ < 2) throw Object.assign(new Error('refused for now'), { code })
          return real.commit(unit)
        },
      }
      const engine = await startTestEngine({ db, workflows: { w: (ctx) => ctx.step('once', () => ++calls) } })
      try {
        assert.deepEqual([(await engine.result('w')).output, calls], [1, 1])
      } finally {
        await engine.stop(0)
      }
    })
  }
}

/** One process carries runs, another takes them away: only where processes can reach each other. */
for (const backend of BACKENDS.filter(({ name }) => name.includes('Redis'))) {
  test(`a run that was taken from its process comes to life there again, on ${backend.name}`, async () => {
    const { db, hub } = await backend.open()
    const common = { db, hub, workflows: { w: (ctx) => ctx.signal('go') } satisfies Record<string, WorkflowFunction> }
    const carrier = await startTestEngine({ ...common, does: ['runs'], leaseMs: 600_000 })
    const { id } = await carrier.run('w')
    await until('the run to wait', async () => (await carrier.engine.runs.byId(id))?.status === 'waiting')
    const other = await startTestEngine({ ...common, tenantId: carrier.tenantId, does: [], leaseMs: 600_000 })
    try {
      // The carrier has stood still for longer than its lease.
      await db.transaction(async (tx) => {
        const table = tx.withTables<{ workers: { id: string; lease_until: number } }>()
        await table.updateTable('workers').set({ lease_until: 0 }).where('id', '=', carrier.workerId).execute()
      })
      await other.engine.signal(other.tenantId, id, 'go', 'hello')
      assert.equal((await other.wait(id)).output, 'hello')
    } finally {
      await other.stop(0)
      await carrier.stop(0)
    }
  })
}

test('what was read of a run before it came here does not take it from here', async () => {
  const heard: number[] = []
  const taken: string[] = []
  const rows = [1, 2]
  const live = {
    run: { id: 'r', fence: 2 },
    hear: (news: number) => heard.push(news) > 0,
    openRefs: () => ({ tasks: [], children: [] }),
  } as unknown as LiveRun
  const hearing = makeHearing({
    runs: {
      newsOf: async () => {
        const fence = rows.shift() ?? 2
        return [{ id: 'r', fence, news: fence, cancelRequested: false }]
      },
      byIds: async () => [],
      signals: async () => [],
    } as unknown as RunRepository,
    tasks: { ended: async () => [] } as never,
    get: () => live,
    onTaken: (runId) => taken.push(runId),
    onError: () => {},
  })
  hearing.ask('r')
  await hearing.settled()
  assert.deepEqual([taken, heard], [[], [2]])
})
