/** The backlog of a partition as the queue reads it: queued tasks by priority, tenant and limit key. */
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
  const nextTenant = compileOnce(handle, () =>
    queued()
      .select('tenant_id')
      .where('priority', '=', NUMBER)
      .where('tenant_id', '>', VALUE)
      .orderBy('tenant_id')
      .limit(1),
  )
  const nextKey = compileOnce(handle, () =>
    queued()
      .select('limit_key')
      .where('priority', '=', NUMBER)
      .where('tenant_id', '=', VALUE)
      .where('limit_key', '>', VALUE)
      .orderBy('limit_key')
      .limit(1),
  )
  const head = compileOnce(handle, () =>
    queued()
      .select(['id', 'tenant_id', 'priority', 'limit_key', 'run_at'])
      .where('priority', '=', NUMBER)
      .where('tenant_id', '=', VALUE)
      .where('limit_key', '=', VALUE)
      .orderBy('id')
      .limit(1),
  )
  // From one to the next by the index, however many tasks each has.
  const follow = async (
    after: string,
    limit: number,
    next: (after: string) => Promise<string | undefined>,
  ): Promise<string[]> => {
    const found: string[] = []
    for (let last = after; found.length < limit; ) {
      const name = await next(last)
      if (name === undefined) break
      found.push(name)
      last = name
    }
    return found
  }
  return {
    tenants: (priority, afterTenantId, limit) =>
      follow(
        afterTenantId,
        limit,
        async (after) => (await nextTenant('queued', partition, priority, after, 1))[0]?.tenant_id,
      ),
    async keys(priority, tenantId, afterKey, limit) {
      const next = async (after: string) =>
        (await nextKey('queued', partition, priority, tenantId, after, 1))[0]?.limit_key
      if (afterKey !== undefined) return follow(afterKey, limit, next)
      const without = await head('queued', partition, priority, tenantId, '', 1)
      const first = without.length > 0 ? [''] : []
      return [...first, ...(await follow('', limit - first.length, next))]
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
