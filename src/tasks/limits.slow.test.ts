import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { BACKENDS } from '../../test/support/backends.ts'
import { startTestEngine } from '../../test/support/engine.ts'
import { until } from '../../test/support/until.ts'
import type { WorkflowFunction } from '../engine/index.ts'
import { noRules, type QueueRules } from '../platform/queue/rules.ts'

const oneAtATime: QueueRules = {
  ...noRules,
  entrant: ({ id, tenantId }) => ({ id, tenantId, weight: 1, limits: { concurrency: 1 }, keyLimits: {} }),
  isFree: () => false,
  mostOf: () => 1,
}

/** Longer than the queue takes to find that the process of a job is dead. */
const SLOW_MS = 4000

/** The first call never ends; the others take so long. */
const makeWork = () => {
  const seen = { begun: 0, atOnce: 0, most: 0, done: 0 }
  const work = async (): Promise<null> => {
    if (++seen.begun === 1) return new Promise(() => {})
    seen.most = Math.max(seen.most, ++seen.atOnce)
    await wait(SLOW_MS)
    seen.atOnce--
    seen.done++
    return null
  }
  return { seen, work }
}

for (const backend of BACKENDS.filter(({ name }) => name.includes('Redis'))) {
  for (const what of ['tasks', 'runs'] as const) {
    test(`a limit holds while one of the ${what} of a dead process is done again, on ${backend.name}`, async (t) => {
      const { db, hub } = await backend.open()
      const tenantId = randomUUID()
      const { seen, work } = makeWork()
      const workflows: Record<string, WorkflowFunction> = { work: (ctx) => ctx.step('work', work) }
      const common = { db, hub, tenantId, handlers: { work }, workflows, rules: oneAtATime, leaseMs: 600_000 }
      const victim = await startTestEngine(common)
      const request = { tenantId, projectId: null, kind: 'work', input: null, priority: 3 } as const
      const make = () => (what === 'tasks' ? victim.tasks.create(request) : victim.run('work'))
      await make()
      await make()
      await until('the first attempt', () => seen.begun === 1)
      await victim.crash()
      const successor = await startTestEngine(common)
      t.after(() => successor.stop(0))
      await successor.tasks.takeOver([victim.workerId])
      await successor.engine.takeOver([victim.workerId])
      await until('both to be done', () => seen.done === 2, { limitMs: 60_000 })
      assert.equal(seen.most, 1)
    })
  }
}
