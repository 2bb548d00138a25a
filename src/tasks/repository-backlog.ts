/** The backlog of a partition as the queue reads it: queued tasks by priority, tenant and limit key. */
import { type RawBuilder, sql } from 'kysely'
import { compileOnce, VALUE } from '../platform/db/compiled.ts'
import type { Handle } from '../platform/db/database.ts'
import type { Backlog } from '../platform/queue/admission.ts'
import type { BacklogSource } from '../platform/queue/fair-backlog.ts'
import type { Job, Partition } from '../platform/queue/queue.ts'
import type { TaskRow, TaskTables } from './rows.ts'
import type { Task } from './types.ts'

type Row = Pick<TaskRow, 'id' | 'tenant_id' | 'priority' | 'limit_key'>

const NUMBER = VALUE as unknown as number

export const makeTaskBacklog = (handle: Handle, partition: Partition): BacklogSource & Pick<Backlog, 'look'> => {
  const db = handle.withTables<TaskTables>()
  const queued = () => db.selectFrom('tasks').where('status', '=', 'queued').where('partition_name', '=', partition)
  const jobOf = (row: Row): Job => ({
    ...{ id: row.id, partition, tenantId: row.tenant_id, priority: row.priority as Task['priority'] },
    ...(row.limit_key === '' ? {} : { key: row.limit_key }),
  })
  /** Distinct values of a column in order, from one to the next by the index, however many tasks have each. */
  const distinct = async (
    column: 'tenant_id' | 'limit_key',
    where: RawBuilder<unknown>,
    after: string,
    limit: number,
  ) => {
    const name = sql.ref(column)
    const next = (last: RawBuilder<unknown>) =>
      sql`(SELECT ${name} FROM tasks WHERE status = 'queued' AND partition_name = ${partition} AND ${where} AND ${name} > ${last}
        ORDER BY ${name} LIMIT 1)`
    const query = sql<{ name: string }>`
      WITH RECURSIVE found (name, position) AS (
        SELECT ${next(sql`${after}`)}, 1
        UNION ALL SELECT ${next(sql`found.name`)}, found.position + 1 FROM found
        WHERE found.name IS NOT NULL AND found.position < ${limit})
      SELECT name FROM found WHERE name IS NOT NULL`
    return (await query.execute(db)).rows.map((row) => row.name)
  }
  const head = compileOnce(handle, () =>
    queued()
      .select(['id', 'tenant_id', 'priority', 'limit_key', 'run_at'])
      .where('priority', '=', NUMBER)
      .where('tenant_id', '=', VALUE)
      .where('limit_key', '=', VALUE)
      .orderBy('id')
      .limit(1),
  )
  return {
    tenants: (priority, afterTenantId, limit) =>
      distinct('tenant_id', sql`priority = ${priority}`, afterTenantId, limit),
    async keys(priority, tenantId, afterKey, limit) {
      const own = sql`priority = ${priority} AND tenant_id = ${tenantId}`
      const [without, keys] = await Promise.all([
        afterKey === undefined ? head('queued', partition, priority, tenantId, '', 1) : [],
        distinct('limit_key', own, afterKey ?? '', limit),
      ])
      return without.length > 0 ? ['', ...keys].slice(0, limit) : keys
    },
    async head(priority, tenantId, key, limit) {
      const rows = await head('queued', partition, priority, tenantId, key, limit)
      return rows.map((row) => ({ ...jobOf(row), sinceMs: row.run_at }))
    },
    async look(ids) {
      const rows = await db
        .selectFrom('tasks')
        .select(['id', 'tenant_id', 'priority', 'limit_key', 'status'])
        .where('id', 'in', ids)
        .where('status', 'in', ['queued', 'running'])
        .execute()
      return {
        queued: rows.filter((row) => row.status === 'queued').map(jobOf),
        working: rows.filter((row) => row.status === 'running').map((row) => row.id),
      }
    },
  }
}
