/** Reads and writes of the queues' rules. */
import { type ExpressionBuilder, type SqlBool, sql } from 'kysely'
import { countRows } from '../platform/db/count.ts'
import type { Handle } from '../platform/db/database.ts'
import type { QueueTables } from './schema.ts'
import { isEmpty, type QueueRule, type RulePlace } from './types.ts'

/** A part of a tenant's rules: those that follow a place. */
export interface RulePage {
  readonly after?: Pick<RulePlace, 'partition' | 'key'> | undefined
  readonly limit: number
}

type Row = QueueTables['queue_rules']

const toRule = (row: Row): QueueRule => ({
  tenantId: row.tenant_id,
  partition: row.partition_name as QueueRule['partition'],
  key: row.key_name,
  paused: { byTenant: (row.paused & 1) !== 0, byOperator: (row.paused & 2) !== 0 },
  concurrency: row.concurrency,
  rate:
    row.rate_count === null || row.rate_period_ms === null
      ? null
      : { count: row.rate_count, periodMs: row.rate_period_ms },
  weight: row.weight,
  updatedAtMs: row.updated_at,
})

export const makeQueueRepository = (handle: Handle) => {
  const db = handle.withTables<QueueTables>()
  const at = ({ tenantId, partition, key }: RulePlace) => ({
    tenant_id: tenantId,
    partition_name: partition,
    key_name: key,
  })
  const isAs = (rule: QueueRule) => (eb: ExpressionBuilder<QueueTables, 'queue_rules'>) =>
    eb.and({ ...at(rule), updated_at: rule.updatedAtMs })

  return {
    async all(): Promise<QueueRule[]> {
      return (await db.selectFrom('queue_rules').selectAll().execute()).map(toRule)
    },
    /** In the order of queues and keys. */
    async ofTenant(tenantId: string, { after, limit }: RulePage): Promise<QueueRule[]> {
      let query = db.selectFrom('queue_rules').selectAll().where('tenant_id', '=', tenantId)
      if (after) query = query.where(sql<SqlBool>`(partition_name, key_name) > (${after.partition}, ${after.key})`)
      return (await query.orderBy('partition_name').orderBy('key_name').limit(limit).execute()).map(toRule)
    },
    async find(place: RulePlace): Promise<QueueRule | undefined> {
      const { tenant_id, partition_name, key_name } = at(place)
      const row = await db
        .selectFrom('queue_rules')
        .selectAll()
        .where('tenant_id', '=', tenant_id)
        .where('partition_name', '=', partition_name)
        .where('key_name', '=', key_name)
        .executeTakeFirst()
      return row && toRule(row)
    },
    /** A rule that says nothing is removed. False: it is not as `known` any more, and nothing was written. */
    async save(rule: QueueRule, known: QueueRule | undefined): Promise<boolean> {
      const { tenant_id, partition_name, key_name } = at(rule)
      const values = {
        paused: (rule.paused.byTenant ? 1 : 0) + (rule.paused.byOperator ? 2 : 0),
        concurrency: rule.concurrency,
        rate_count: rule.rate?.count ?? null,
        rate_period_ms: rule.rate?.periodMs ?? null,
        weight: rule.weight,
        updated_at: rule.updatedAtMs,
      }
      if (!known) {
        if (isEmpty(rule)) return true
        const insert = db.insertInto('queue_rules').values({ tenant_id, partition_name, key_name, ...values })
        const { numInsertedOrUpdatedRows } = await insert
          .onConflict((conflict) => conflict.columns(['tenant_id', 'partition_name', 'key_name']).doNothing())
          .executeTakeFirst()
        return (numInsertedOrUpdatedRows ?? 0n) > 0n
      }
      if (isEmpty(rule)) {
        const remove = db.deleteFrom('queue_rules').where(isAs(known))
        return (await remove.executeTakeFirst()).numDeletedRows > 0n
      }
      const update = db.updateTable('queue_rules').set(values).where(isAs(known))
      return (await update.executeTakeFirst()).numUpdatedRows > 0n
    },
    countOf: (tenantId: string): Promise<number> =>
      countRows(db.selectFrom('queue_rules').where('tenant_id', '=', tenantId)),
    async tenantExists(tenantId: string): Promise<boolean> {
      return (await db.selectFrom('tenants').select('id').where('id', '=', tenantId).executeTakeFirst()) !== undefined
    },
  }
}
