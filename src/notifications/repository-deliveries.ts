/** Reads and writes of deliveries and of their attempts. */
import type { Handle } from '../platform/db/database.ts'
import { olderThan } from '../platform/db/keyset.ts'
import type { CreatedCursor } from '../platform/http/page.ts'
import { type Owner, ownedBy } from '../platform/scope.ts'
import type { NotificationTables } from './schema.ts'
import type { Delivery, DeliveryAttempt, DeliveryCause, DeliveryStatus } from './types.ts'

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
  memberId: row.member_id,
  dueAtMs: row.due_at,
  tries: row.tries,
  round: row.round,
  slotAtMs: row.slot_at,
  digest: row.digest,
  digestId: row.digest_id,
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
  member_id: delivery.memberId,
  due_at: delivery.dueAtMs,
  tries: delivery.tries,
  round: delivery.round,
  slot_at: delivery.slotAtMs,
  digest: delivery.digest,
  digest_id: delivery.digestId,
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
  request: row.request,
  statusCode: row.status_code,
  response: row.response,
  error: row.error,
})

export interface DeliveryFilter {
  readonly channelId?: string | undefined
  readonly status?: DeliveryStatus | undefined
  readonly type?: string | undefined
  readonly fromMs?: number | undefined
  readonly toMs?: number | undefined
  /** Each message once: no copies that were sent again, and of a digest not also what it told of, unless that is asked for. */
  readonly isOnce?: boolean | undefined
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

/** Rows of one statement: their values stay well below what a statement may carry. */
const ROWS_AT_ONCE = 500

export const inParts = <T>(rows: readonly T[]): T[][] =>
  Array.from({ length: Math.ceil(rows.length / ROWS_AT_ONCE) }, (_, i) =>
    rows.slice(i * ROWS_AT_ONCE, (i + 1) * ROWS_AT_ONCE),
  )

export const makeDeliveryRepository = (handle: Handle) => {
  const db = handle.withTables<NotificationTables>()
  return {
    async delivery(owner: Owner, id: string): Promise<Delivery | undefined> {
      const query = db.selectFrom('deliveries').selectAll().where(ownedBy(owner)).where('id', '=', id)
      const row = await query.executeTakeFirst()
      return row && toDelivery(row)
    },
    /** Newest first. */
    async deliveries(owner: Owner, filter: DeliveryFilter): Promise<Delivery[]> {
      const { channelId, status, type, fromMs, toMs, isOnce, after, limit } = filter
      let query = db.selectFrom('deliveries').selectAll().where(ownedBy(owner))
      if (channelId !== undefined) query = query.where('channel_id', '=', channelId)
      if (status !== undefined) query = query.where('status', '=', status)
      if (type !== undefined) query = query.where('type', '=', type)
      if (fromMs !== undefined) query = query.where('created_at', '>=', fromMs)
      if (toMs !== undefined) query = query.where('created_at', '<', toMs)
      if (isOnce) query = query.where('cause', '!=', 'replay' satisfies DeliveryCause)
      if (isOnce && status === undefined) query = query.where('status', '!=', 'digested' satisfies DeliveryStatus)
      if (after) query = query.where(olderThan(after))
      return (await query.orderBy('created_at', 'desc').orderBy('id', 'desc').limit(limit).execute()).map(toDelivery)
    },
    /** Those whose key is known already are left out. */
    async addDeliveries(deliveries: readonly Delivery[]): Promise<void> {
      for (const part of inParts(deliveries)) {
        const insert = db.insertInto('deliveries').values(part.map(toDeliveryRow))
        await insert.onConflict((conflict) => conflict.columns(['tenant_id', 'dedup_key']).doNothing()).execute()
      }
    },
    /** Of all tenants, those that are due and have no task yet, after that one. */
    async undispatched(nowMs: number, after: Pick<Delivery, 'dueAtMs' | 'id'> | undefined, limit: number) {
      let query = db
        .selectFrom('deliveries')
        .selectAll()
        .where('task_id', 'is', null)
        .where('status', '=', 'pending')
        .where('digest', 'is', null)
        .where('due_at', '<=', nowMs)
      if (after) {
        query = query.where(({ eb, refTuple, tuple }) =>
          eb(refTuple('due_at', 'id'), '>', tuple(after.dueAtMs, after.id)),
        )
      }
      return (await query.orderBy('due_at').orderBy('id').limit(limit).execute()).map(toDelivery)
    },
    /** When the next one that waits for its time is due. */
    async nextDue(nowMs: number): Promise<number | undefined> {
      const query = db.selectFrom('deliveries').select('due_at').where('task_id', 'is', null)
      const waiting = query.where('status', '=', 'pending').where('digest', 'is', null).where('due_at', '>', nowMs)
      return (await waiting.orderBy('due_at').limit(1).executeTakeFirst())?.due_at
    },
    async hasPending(): Promise<boolean> {
      const query = db.selectFrom('deliveries').select('id').where('status', '=', 'pending').limit(1)
      return (await query.executeTakeFirst()) !== undefined
    },
    /** Only of the round that the task was made for: it may have put the delivery off already. */
    async setTask({ tenantId, id, round }: Delivery, taskId: string): Promise<void> {
      const update = db.updateTable('deliveries').set({ task_id: taskId }).where('tenant_id', '=', tenantId)
      await update.where('id', '=', id).where('round', '=', round).where('task_id', 'is', null).execute()
    },
    /** Takes it from its task; another one follows when it is due. */
    async putOff({ tenantId, id, round }: Delivery, dueAtMs: number, slotAtMs: number | null): Promise<void> {
      await db
        .updateTable('deliveries')
        .set({ task_id: null, due_at: dueAtMs, slot_at: slotAtMs, round: round + 1 })
        .where('tenant_id', '=', tenantId)
        .where('id', '=', id)
        .where('round', '=', round)
        .where('status', '=', 'pending')
        .execute()
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
    /** Delivered from now on; false when it was already, or is skipped. */
    async finishOpen({ tenantId, id }: Delivery, atMs: number): Promise<boolean> {
      const update = db.updateTable('deliveries').set({ status: 'delivered', error: null, finished_at: atMs })
      const its = update.where('tenant_id', '=', tenantId).where('id', '=', id)
      return (await its.where('status', 'in', ['pending', 'failed']).executeTakeFirst()).numUpdatedRows > 0n
    },
    /** Only one that stands at `before` is moved. */
    async follow(task: TaskNews, before: DeliveryStatus, after: DeliveryStatus): Promise<void> {
      await db
        .updateTable('deliveries')
        .set({ status: after, finished_at: after === 'pending' ? null : task.atMs })
        // Somebody has it tried again: all its tries are before it.
        .$if(after === 'pending', (update) => update.set({ tries: 0 }))
        .$if(task.error !== null, (update) => update.set({ error: task.error }))
        .where('tenant_id', '=', task.tenantId)
        .where('task_id', '=', task.taskId)
        .where('status', '=', before)
        .execute()
    },
    /** A try failed; another one may follow. */
    async countFailure({ tenantId, id }: Delivery, error: string): Promise<void> {
      await db
        .updateTable('deliveries')
        .set((eb) => ({ error, tries: eb('tries', '+', 1), slot_at: null }))
        .where('tenant_id', '=', tenantId)
        .where('id', '=', id)
        .where('status', '=', 'pending')
        .execute()
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
          request: attempt.request,
          status_code: attempt.statusCode,
          response: attempt.response,
          error: attempt.error,
        })
        .execute()
    },
  }
}
