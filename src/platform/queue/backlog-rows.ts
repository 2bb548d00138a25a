/**
 * A partition's backlog as it lies in a table: queued rows by priority, tenant and limit key. The table has the columns `id`, `tenant_id`,
 * `priority` and `status`, and an index on the partition's column, priority, tenant, limit key and id of what is queued.
 */
import { type RawBuilder, sql } from 'kysely'
import type { Handle } from '../db/database.ts'
import type { Backlog } from './admission.ts'
import type { BacklogSource } from './fair-backlog.ts'
import type { Job, Partition, Priority } from './queue.ts'

export interface BacklogRows {
  readonly table: string
  /** Which of the table's rows are this partition's. */
  readonly where: { readonly column: string; readonly value: string }
  readonly partition: Partition
  /** The column that says since when a row waits, in milliseconds. */
  readonly since: string
  /** The column of the limit key, '' for none; left out where work has no limit keys. */
  readonly limitKey?: string
}

type Row = { id: string; tenant_id: string; priority: number; limit_key: string }

export const readBacklogRows = (handle: Handle, rows: BacklogRows): BacklogSource & Pick<Backlog, 'look'> => {
  const { partition } = rows
  const table = sql.table(rows.table)
  const queued = sql`status = 'queued' AND ${sql.ref(rows.where.column)} = ${rows.where.value}`
  const limitKey = rows.limitKey === undefined ? sql`''` : sql.ref(rows.limitKey)
  const fields = sql`id, tenant_id, priority, ${limitKey} AS limit_key`

  const read = async <R>(query: RawBuilder<R>): Promise<R[]> => (await query.execute(handle)).rows

  const jobOf = (row: Row): Job => ({
    ...{ id: row.id, partition, tenantId: row.tenant_id, priority: row.priority as Priority },
    ...(row.limit_key === '' ? {} : { key: row.limit_key }),
  })

  /** Distinct values of a column in order, from one to the next by the index, however many rows have each. */
  const distinct = async (column: RawBuilder<unknown>, where: RawBuilder<unknown>, after: string, limit: number) => {
    const next = (last: RawBuilder<unknown>) =>
      sql`(SELECT ${column} FROM ${table} WHERE ${queued} AND ${where} AND ${column} > ${last} ORDER BY ${column} LIMIT 1)`
    const found = await read(sql<{ name: string }>`
      WITH RECURSIVE found (name, position) AS (
        SELECT ${next(sql`${after}`)}, 1
        UNION ALL SELECT ${next(sql`found.name`)}, found.position + 1 FROM found
        WHERE found.name IS NOT NULL AND found.position < ${limit})
      SELECT name FROM found WHERE name IS NOT NULL`)
    return found.map((row) => row.name)
  }

  const head: BacklogSource['head'] = async (priority, tenantId, key, limit) => {
    const own = sql`priority = ${priority} AND tenant_id = ${tenantId} AND ${limitKey} = ${key}`
    const found = await read(sql<Row & { since: number }>`
      SELECT ${fields}, ${sql.ref(rows.since)} AS since FROM ${table} WHERE ${queued} AND ${own} ORDER BY id LIMIT ${limit}`)
    return found.map((row) => ({ ...jobOf(row), sinceMs: row.since }))
  }

  return {
    tenants: (priority, afterTenantId, limit) =>
      distinct(sql.ref('tenant_id'), sql`priority = ${priority}`, afterTenantId, limit),
    async keys(priority, tenantId, afterKey, limit) {
      if (rows.limitKey === undefined) return afterKey === undefined ? [''] : []
      const own = sql`priority = ${priority} AND tenant_id = ${tenantId}`
      const [without, keys] = await Promise.all([
        afterKey === undefined ? head(priority, tenantId, '', 1) : [],
        distinct(limitKey, own, afterKey ?? '', limit),
      ])
      return without.length > 0 ? ['', ...keys].slice(0, limit) : keys
    },
    head,
    async look(ids) {
      const found = await read(sql<Row & { status: string }>`
        SELECT ${fields}, status FROM ${table} WHERE id IN (${sql.join(ids)}) AND status IN ('queued', 'running')`)
      return {
        queued: found.filter((row) => row.status === 'queued').map(jobOf),
        working: found.filter((row) => row.status === 'running').map((row) => row.id),
      }
    },
  }
}
