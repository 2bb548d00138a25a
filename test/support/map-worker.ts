/** A process for the test that kills it: works on one distributed Map over the database and folder that it is given, until its end. */

import { migrations } from '../../src/migrations/index.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { migrate } from '../../src/platform/db/migrate.ts'
import { openSqliteDatabase } from '../../src/platform/db/sqlite.ts'
import { makeEventHub } from '../../src/platform/events/hub.ts'
import { makeIdGenerator } from '../../src/platform/ids.ts'
import type { JsonObject } from '../../src/platform/json.ts'
import { makeWorkflowService } from '../../src/workflows/index.ts'
import { startTestEngine } from './engine.ts'

const [folder = '', tenantId = '', definition = ''] = process.argv.slice(2)
const db = openSqliteDatabase({ file: `${folder}/aidos.db`, hub: makeEventHub() })
await migrate(db, migrations)
const programs = makeWorkflowService({
  ...{ db, clock: systemClock, makeId: makeIdGenerator(), cacheMs: 1000, cacheMax: 10 },
  filesRoot: () => folder,
})
await programs.put({ tenantId, projectId: null, name: 'w', definition: JSON.parse(definition) as JsonObject })
const engine = await startTestEngine({ db, programs, tenantId })
const { run } = await engine.engine.create({
  ...{ tenantId, projectId: null, kind: 'workflow', target: 'w', input: null, priority: 3, idempotencyKey: 'the run' },
})
process.stdout.write(`run ${run.id}\n`)
// Counted by the database: the children hold their items, and the memory of this process is looked at.
const tables = db.primary.withTables<{ runs: { parent_run_id: string; status: string } }>()
const watch = setInterval(async () => {
  const { count } = await tables
    .selectFrom('runs')
    .select((of) => of.fn.countAll().as('count'))
    .where('parent_run_id', '=', run.id)
    .where('status', '=', 'completed')
    .executeTakeFirstOrThrow()
  process.stdout.write(`groups ${count}\n`)
}, 100)
const ended = await engine.wait(run.id, 120_000)
clearInterval(watch)
process.stdout.write(`ended ${ended.status} rss ${Math.round(process.memoryUsage.rss() / 1_048_576)}\n`)
await engine.stop()
await db.stop()
