/** Commits that arrived, but whose answer did not: what they wrote stands, and nothing of it is taken for somebody else's. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BACKENDS } from '../../test/support/backends.ts'
import { startTestEngine } from '../../test/support/engine.ts'
import { until } from '../../test/support/until.ts'
import { systemClock } from '../platform/clock.ts'
import type { Database } from '../platform/db/database.ts'
import { dbErrors } from '../platform/db/errors.ts'
import type { Unit } from '../platform/db/group-commit.ts'
import type { Run, WorkflowFunction } from './index.ts'
import { commitTurn } from './turn-commit.ts'

const cut = (): Error => Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })

/** The first commit that fits is durable, and nobody hears of it. */
const deafOnce = (real: Database, fits: (unit: Unit) => boolean): { db: Database; isDeaf: () => boolean } => {
  let isDeaf = false
  return {
    isDeaf: () => isDeaf,
    db: {
      ...real,
      async commit(unit) {
        await real.commit(unit)
        if (isDeaf || !fits(unit)) return
        isDeaf = true
        throw cut()
      },
    },
  }
}

const writes = (unit: Unit, name: string): boolean => unit.writes.some(({ statement }) => statement.name === name)

for (const database of BACKENDS) {
  for (const [title, statement] of [
    ['with the end of a task', 'finish_task'],
    ['with the end of its run', 'finish_run'],
  ] as const) {
    test(`a turn ${title}, whose answer was lost, is not refused, on ${database.name}`, async (t) => {
      const { db, isDeaf } = deafOnce((await database.open()).db, (unit) => writes(unit, statement))
      let calls = 0
      const workflows: Record<string, WorkflowFunction> = {
        w: async (ctx) => [await ctx.task('t', 1), await ctx.step('s', () => ++calls), await ctx.task('t', 2)],
      }
      const engine = await startTestEngine({ db, workflows, handlers: { t: async (input) => input } })
      t.after(() => engine.stop())
      const { id } = await engine.run('w')
      // The time of this wait is never over: it ends because it is told.
      let told: Run | undefined
      void engine.wait(id, 1e9).then((run) => {
        told = run
      })
      const run = await until('whoever waits for the run to be told of its end', () => told)
      assert.deepEqual([run.status, run.error, run.output, isDeaf()], ['completed', null, [1, 1, 2], true])
    })
  }
}

test('a turn whose task was ended by another is committed without it, also when the database is away in between', async () => {
  const guard = { table: 'tasks', id: 't', fence: 1 } as const
  const task = {
    ...({ runId: 'r', taskId: 't', stepKey: 's', outcome: 'ok', value: 1 } as const),
    ...{ guards: [guard], writes: [], events: [], failed: () => {} },
  }
  const committed: Unit[] = []
  let looks = 0
  await commitTurn({ guards: [guard], writes: [] }, [task], {
    clock: systemClock,
    isOver: () => false,
    async commit(unit) {
      if (unit.guards?.includes(guard)) throw dbErrors.stale_write('stale', { details: { table: 'tasks' } })
      committed.push(unit)
    },
    async ended() {
      if (++looks === 1) throw cut()
      return [{ taskId: 't', stepKey: 's', kind: 'k', outcome: 'ok', value: 1, runId: 'r' }]
    },
  })
  assert.deepEqual([looks, committed], [2, [{ guards: [], writes: [], events: [] }]])
})
