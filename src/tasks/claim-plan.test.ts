/** How PostgreSQL finds the tasks of a claim when it knows nothing of a backlog that has just come. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sql } from 'kysely'
import { DATABASES } from '../../test/support/databases.ts'
import { claim } from './repository-claims.ts'

const onPostgres = DATABASES.filter(({ name }) => name === 'PostgreSQL')

for (const database of onPostgres) {
  test('a claim goes by the ids of its tasks, however long a backlog has come since the last statistics', async () => {
    const { db } = await database.open()
    const handle = db.primary
    const insert = (status: string, from: number, to: number) =>
      sql`INSERT INTO tasks (id, tenant_id, kind, partition_name, status, priority, input, attempt, lost, options, fence, run_at, created_at)
        SELECT lpad(i::text, 8, '0'), 'tenant', 'noop', 'tasks', ${status}, 3, 'null', 0, 0, '{}', 0, 0, 0
        FROM generate_series(${from}::int, ${to}::int) AS i`.execute(handle)
    await insert('completed', 1, 3000)
    await sql`ANALYZE tasks`.execute(handle)
    await insert('queued', 3001, 6000)
    const ids = Array.from({ length: 50 }, (_, i) => String(3001 + i * 7).padStart(8, '0'))
    const plan = await sql<Record<string, string>>`EXPLAIN ${claim(ids, 'w', 1)}`.execute(handle)
    const lines = plan.rows.flatMap((row) => Object.values(row))
    assert.ok(
      lines.some((line) => line.includes('tasks_pkey on tasks')),
      lines.join('\n'),
    )
    assert.ok(!lines.some((line) => line.includes('idx_tasks_backlog')))
  })
}
