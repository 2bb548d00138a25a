/** Reads and writes of deliveries, their attempts, and the inbox. */
import type { Handle } from '../platform/db/database.ts'
import type { CreatedCursor } from '../platform/http/page.ts'
import type { Severity } from './catalogue.ts'
import type { NotificationTables } from './schema.ts'
import type { Delivery, DeliveryAttempt, DeliveryCause, DeliveryStatus, InboxItem } from './types.ts'

const toDelivery = (row: NotificationTables['deliveries']): Delivery => ({
  id: row.id,
  tenantId: row.tenant_id,
  projectId: row.project_id,
  channelId: row.channel_id,
  subscriptionId: row.subscription_id,
  cause: row.cause as DeliveryCause,
  type: row.type,
  messageId: row.message_id,
  message: row.message,
  dedupKey: row.dedup_key,
  status: row.status as DeliveryStatus,
  error: row.error,
  taskId: row.task_id,
  createdAtMs: row.created_at,
  finishedAtMs: row.finished_at,
})

const toDeliveryRow = (delivery: Delivery): NotificationTables['deliveries'] => ({
  id: delivery.id,
  tenant_id: delivery.tenantId,
  project_id: delivery.projectId,
  channel_id: delivery.channelId,
  subscription_id: delivery.subscriptionId,
  cause: delivery.cause,
  type: delivery.type,
  message_id: delivery.messageId,
  message: delivery.message,
  dedup_key: delivery.dedupKey,
  status: delivery.status,
  error: delivery.error,
  task_id: delivery.taskId,
  created_at: delivery.createdAtMs,
  finished_at: delivery.finishedAtMs,
})

const toAttempt = (row: NotificationTables['delivery_attempts']): DeliveryAttempt => ({
  id: row.id,
  tenantId: row.tenant_id,
  deliveryId: row.delivery_id,
  attempt: row.attempt,
  atMs: row.at,
  durationMs: row.duration_ms,
  statusCode: row.status_code,
  response: row.response,
  error: row.error,
})

const toInboxItem = (row: NotificationTables['inbox']): InboxItem => ({
  id: row.id,
  tenantId: row.tenant_id,
  projectId: row.project_id,
  channelId: row.channel_id,
  type: row.type,
  severity: row.severity as Severity,
  title: row.title,
  message: row.message,
  readAtMs: row.read_at,
  createdAtMs: row.created_at,
})

export interface DeliveryFilter {
  readonly channelId?: string | undefined
  readonly status?: DeliveryStatus | undefined
  readonly type?: string | undefined
  readonly fromMs?: number | undefined
  readonly toMs?: number | undefined
  readonly after?: CreatedCursor | undefined
  readonly limit: number
}

/** What the log tells of the task of a delivery. */
export interface TaskNews {
  readonly tenantId: string
  readonly taskId: string
  readonly error: string | null
  readonly atMs: number
}

export interface InboxFilter {
  readonly isUnread?: boolean | undefined
  readonly projectId?: string | undefined
  readonly after?: CreatedCursor | undefined
  readonly limit: number
}

/** Rows of one statement: their values stay well below what a statement may carry. */
const ROWS_AT_ONCE = 500

const inParts = <T>(rows: readonly T[]): T[][] =>
  Array.from({ length: Math.ceil(rows.length / ROWS_AT_ONCE) }, (_, i) =>
    rows.slice(i * ROWS_AT_ONCE, (i + 1) * ROWS_AT_ONCE),
  )

export const makeDeliveryRepository = (handle: Handle) => {
  const db = handle.withTables<NotificationTables>()
  return {
    async delivery(tenantId: string, id: string): Promise<Delivery | undefined> {
      const query = db.selectFrom('deliveries').selectAll().where('tenant_id', '=', tenantId).where('id', '=', id)
      const row = await query.executeTakeFirst()
      return row && toDelivery(row)
    },
    /** Newest first. */
    async deliveries(tenantId: string, filter: DeliveryFilter): Promise<Delivery[]> {
      const { channelId, status, type, fromMs, toMs, after, limit } = filter
      let query = db.selectFrom('deliveries').selectAll().where('tenant_id', '=', tenantId)
      if (channelId !== undefined) query = query.where('channel_id', '=', channelId)
      if (status !== undefined) query = query.where('status', '=', status)
      if (type !== undefined) query = query.where('type', '=', type)
      if (fromMs !== undefined) query = query.where('created_at', '>=', fromMs)
      if (toMs !== undefined) query = query.where('created_at', '<', toMs)
      if (after) {
        query = query.where(({ eb, refTuple, tuple }) =>
          eb(refTuple('created_at', 'id'), '<', tuple(after.createdAtMs, after.id)),
        )
      }
      return (await query.orderBy('created_at', 'desc').orderBy('id', 'desc').limit(limit).execute()).map(toDelivery)
    },
    /** Those whose key is known already are left out. */
    async addDeliveries(deliveries: readonly Delivery[]): Promise<void> {
      for (const part of inParts(deliveries)) {
        const insert = db.insertInto('deliveries').values(part.map(toDeliveryRow))
        await insert.onConflict((conflict) => conflict.columns(['tenant_id', 'dedup_key']).doNothing()).execute()
      }
    },
    /** Of all tenants, those that have no task yet, by id. */
    async undispatched(afterId: string, limit: number): Promise<Delivery[]> {
      const query = db.selectFrom('deliveries').selectAll().where('task_id', 'is', null)
      const rows = await query
        .where('status', '=', 'pending')
        .where('id', '>', afterId)
        .orderBy('id')
        .limit(limit)
        .execute()
      return rows.map(toDelivery)
    },
    async hasPending(): Promise<boolean> {
      const query = db.selectFrom('deliveries').select('id').where('status', '=', 'pending').limit(1)
      return (await query.executeTakeFirst()) !== undefined
    },
    async setTask(tenantId: string, id: string, taskId: string): Promise<void> {
      const update = db.updateTable('deliveries').set({ task_id: taskId }).where('tenant_id', '=', tenantId)
      await update.where('id', '=', id).where('task_id', 'is', null).execute()
    },
    /** One that is delivered stays so. */
    async finish(delivery: Delivery, status: DeliveryStatus, error: string | null, atMs: number): Promise<void> {
      await db
        .updateTable('deliveries')
        .set({ status, error, finished_at: atMs })
        .where('tenant_id', '=', delivery.tenantId)
        .where('id', '=', delivery.id)
        .where('status', '!=', 'delivered')
        .execute()
    },
    /** Only one that stands at `before` is moved. */
    async follow(task: TaskNews, before: DeliveryStatus, after: DeliveryStatus): Promise<void> {
      await db
        .updateTable('deliveries')
        .set({ status: after, finished_at: after === 'pending' ? null : task.atMs })
        .$if(task.error !== null, (update) => update.set({ error: task.error }))
        .where('tenant_id', '=', task.tenantId)
        .where('task_id', '=', task.taskId)
        .where('status', '=', before)
        .execute()
    },
    async setError(delivery: Delivery, error: string): Promise<void> {
      const update = db.updateTable('deliveries').set({ error }).where('tenant_id', '=', delivery.tenantId)
      await update.where('id', '=', delivery.id).where('status', '=', 'pending').execute()
    },

    async attempts(tenantId: string, deliveryId: string): Promise<DeliveryAttempt[]> {
      const query = db.selectFrom('delivery_attempts').selectAll().where('tenant_id', '=', tenantId)
      return (await query.where('delivery_id', '=', deliveryId).orderBy('id').execute()).map(toAttempt)
    },
    async addAttempt(attempt: DeliveryAttempt): Promise<void> {
      await db
        .insertInto('delivery_attempts')
        .values({
          id: attempt.id,
          tenant_id: attempt.tenantId,
          delivery_id: attempt.deliveryId,
          attempt: attempt.attempt,
          at: attempt.atMs,
          duration_ms: attempt.durationMs,
          status_code: attempt.statusCode,
          response: attempt.response,
          error: attempt.error,
        })
        .execute()
    },

    /** One that is there already stays as it is. */
    async addInboxItems(items: readonly InboxItem[]): Promise<void> {
      for (const part of inParts(items)) {
        const rows = part.map((item) => ({
          id: item.id,
          tenant_id: item.tenantId,
          project_id: item.projectId,
          channel_id: item.channelId,
          type: item.type,
          severity: item.severity,
          title: item.title,
          message: item.message,
          read_at: item.readAtMs,
          created_at: item.createdAtMs,
        }))
        const insert = db.insertInto('inbox').values(rows)
        await insert.onConflict((conflict) => conflict.column('id').doNothing()).execute()
      }
    },
    /** Newest first. */
    async inbox(tenantId: string, { isUnread, projectId, after, limit }: InboxFilter): Promise<InboxItem[]> {
      let query = db.selectFrom('inbox').selectAll().where('tenant_id', '=', tenantId)
      if (isUnread === true) query = query.where('read_at', 'is', null)
      if (isUnread === false) query = query.where('read_at', 'is not', null)
      if (projectId !== undefined) query = query.where('project_id', '=', projectId)
      if (after) {
        query = query.where(({ eb, refTuple, tuple }) =>
          eb(refTuple('created_at', 'id'), '<', tuple(after.createdAtMs, after.id)),
        )
      }
      return (await query.orderBy('created_at', 'desc').orderBy('id', 'desc').limit(limit).execute()).map(toInboxItem)
    },
    async inboxItem(tenantId: string, id: string): Promise<InboxItem | undefined> {
      const query = db.selectFrom('inbox').selectAll().where('tenant_id', '=', tenantId).where('id', '=', id)
      const row = await query.executeTakeFirst()
      return row && toInboxItem(row)
    },
    async setRead(tenantId: string, id: string, readAtMs: number | null): Promise<void> {
      const update = db.updateTable('inbox').set({ read_at: readAtMs }).where('tenant_id', '=', tenantId)
      await update.where('id', '=', id).execute()
    },
    /** How many were unread. */
    async setAllRead(tenantId: string, readAtMs: number): Promise<number> {
      const update = db.updateTable('inbox').set({ read_at: readAtMs }).where('tenant_id', '=', tenantId)
      return Number((await update.where('read_at', 'is', null).executeTakeFirst()).numUpdatedRows)
    },
    async unreadCount(tenantId: string): Promise<number> {
      const query = db.selectFrom('inbox').select((eb) => eb.fn.countAll<number>().as('count'))
      const row = await query.where('tenant_id', '=', tenantId).where('read_at', 'is', null).executeTakeFirstOrThrow()
      return Number(row.count)
    },
  }
}
